"""Ranking and mean average precision.

Ties between equal distances are ordered by gallery index, `k` is explicit, and queries without a relevant
photo count as 0 and are reported apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recessive.class_labels import relevant
from recessive.galleries.gallery import Gallery, Items
from recessive.galleries.labels import check_labels
from recessive.galleries.nearest import sort_keys
from recessive.galleries.parts import over_parts


def average_precision(distances: Tensor, relevant: Tensor, k: int | None = None) -> Tensor:
    """AP = Σ_{r ≤ k} P(r) rel(r) / (relevant among the first k), of each query; 0 where there is none.

    P(r) is the share of relevant photos among the first r results.

    Args:
        distances: (Q, N).
        relevant: (Q, N), bool.
        k: how many results count; None for all.

    Returns:
        (Q,), float64.

    Raises:
        ValueError: shapes differ or k < 1.
    """
    if distances.shape != relevant.shape:
        raise ValueError(f"distances {tuple(distances.shape)} and relevant {tuple(relevant.shape)} must have one shape")
    if k is not None and k < 1:
        raise ValueError(f"k counts results, at least 1: {k}")
    found = np.zeros(len(distances))
    for query, (keys, right) in enumerate(zip(sort_keys(distances), relevant.numpy(), strict=True)):
        ranks = 1 + np.flatnonzero(right[np.argsort(keys, kind="stable")[:k]])
        if len(ranks):
            found[query] = (np.arange(1, len(ranks) + 1) / ranks).mean()
    return torch.from_numpy(found)


@dataclass(frozen=True)
class RetrievalReport:
    """mAP and what it is a mean of.

    Attributes:
        map: mean average precision over all queries.
        queries: how many there were.
        without_relevant: how many of them have no relevant photo in the gallery; they count as 0.
    """

    map: float
    queries: int
    without_relevant: int


def mean_average_precision(
    gallery: Gallery[Items],
    queries: Items,
    query_labels: Tensor,
    gallery_labels: Tensor,
    *,
    k: int | None = None,
    leave_one_out: bool = False,
) -> RetrievalReport:
    """mAP of queries against a gallery; a photo is relevant when it bears the query's label, or one of its labels.

    Args:
        gallery: what is searched.
        queries: codes or descriptors (Q, D).
        query_labels: (Q,), or (Q, L), bool.
        gallery_labels: (len(gallery),), or (len(gallery), L), bool.
        k: how many results count; None for all.
        leave_one_out: query i is item i of the gallery and is taken out of its own results.

    Raises:
        ValueError: labels do not match queries or gallery, k < 1, or more queries than photos when leaving
            one out.
    """
    check_labels(gallery, queries, query_labels, gallery_labels)
    if leave_one_out and len(queries) > len(gallery):
        raise ValueError(f"{len(queries)} queries are not the first items of a gallery of {len(gallery)}")

    def summed(some: slice, distances: Tensor) -> tuple[float, int]:
        right = relevant(query_labels[some], gallery_labels)
        if leave_one_out:
            own = torch.arange(some.start, some.stop)
            others = torch.ones_like(right).scatter_(1, own[:, None], value=False)
            shape = (len(own), len(gallery) - 1)
            distances, right = distances[others].view(shape), right[others].view(shape)
        return float(average_precision(distances, right, k).sum()), int((~right.any(dim=1)).sum())

    parts = over_parts(gallery, queries, summed)
    total, without = sum(part[0] for part in parts), sum(part[1] for part in parts)
    return RetrievalReport(total / max(1, len(queries)), len(queries), without)
