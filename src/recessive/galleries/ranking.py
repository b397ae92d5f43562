"""Ranking and mean average precision.

Ties between equal distances are ordered by gallery index, `k` is explicit, and queries without a relevant
photo count as 0 and are reported apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from recessive.galleries.gallery import Gallery


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
    # NumPy sorts small integers by radix: ten times as fast as torch on Hamming distances.
    order = np.argsort(distances.numpy(), axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant.numpy(), order, axis=1)
    query, place = np.nonzero(hits)
    total = hits.sum(axis=1)
    before = np.cumsum(total) - total
    nth = np.arange(len(query)) - before[query] + 1
    summed = np.bincount(query, weights=nth / (place + 1), minlength=len(hits))
    return torch.from_numpy(summed / np.maximum(total, 1))


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
    gallery: Gallery,
    queries: Tensor,
    query_labels: Tensor,
    gallery_labels: Tensor,
    *,
    k: int | None = None,
    leave_one_out: bool = False,
) -> RetrievalReport:
    """mAP of queries against a gallery; a photo is relevant when it bears the query's label.

    Args:
        gallery: what is searched.
        queries: codes or descriptors (Q, D).
        query_labels: (Q,).
        gallery_labels: (len(gallery),).
        k: how many results count; None for all.
        leave_one_out: query i is item i of the gallery and is taken out of its own results.

    Raises:
        ValueError: labels do not match queries or gallery, k < 1, or more queries than photos when leaving
            one out.
    """
    if len(query_labels) != len(queries) or len(gallery_labels) != len(gallery):
        raise ValueError("one label a query and one a gallery photo are needed")
    if leave_one_out and len(queries) > len(gallery):
        raise ValueError(f"{len(queries)} queries are not the first items of a gallery of {len(gallery)}")
    total, without = 0.0, 0
    for some, distances in gallery.distances(queries):
        relevant = query_labels[some, None] == gallery_labels[None]
        if leave_one_out:
            own = torch.arange(some.start, some.stop)
            others = torch.ones_like(relevant).scatter_(1, own[:, None], value=False)
            shape = (len(own), len(gallery) - 1)
            distances, relevant = distances[others].view(shape), relevant[others].view(shape)  # noqa: PLW2901
        total += float(average_precision(distances, relevant, k).sum())
        without += int((~relevant.any(dim=1)).sum())
    return RetrievalReport(total / max(1, len(queries)), len(queries), without)
