"""Ranking figures: mAP, precision and recall within a radius, over all radii of a code, and by rank.

All figures are means over queries. A query that returns nothing has precision 0, one without a relevant photo has
average precision and recall 0; how many there are of either is reported separately. Ties are ordered by gallery index.
A photo is relevant to a query if the two share a label.

All figures of a gallery take the gallery, Q queries as it takes them, `query_labels` (Q,) and `gallery_labels`
(len(gallery),), or with several labels per photo (Q, L) and (len(gallery), L), bool. They raise a ValueError if labels
do not match queries or gallery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.class_labels import relevant
from recessive.galleries.gallery import Gallery, HammingGallery, Items, map_chunks, sort_keys, within


@dataclass(frozen=True)
class RetrievalReport:
    """mAP, and over how many queries.

    Attributes:
        map: mean average precision over all queries.
        queries: the number of queries.
        without_relevant: how many of them have no relevant photo in the gallery; they count as 0.
    """

    map: float
    queries: int
    without_relevant: int


@dataclass(frozen=True)
class WithinReport:
    """Precision within a radius.

    Attributes:
        precision: mean over all queries of relevant returned / returned.
        radius: the radius within which a photo is returned.
        queries: the number of queries.
        empty: how many of them return nothing; they count as 0.
    """

    precision: float
    radius: float
    queries: int
    empty: int


@dataclass(frozen=True)
class PrecisionRecall:
    """A precision-recall curve: one value of each figure for every radius, or for every rank.

    Attributes:
        at: radii in bits, or ranks.
        precision: mean over queries of relevant returned / returned.
        recall: mean over queries of relevant returned / relevant.
        empty: share of the queries that return nothing; their precision counts as 0.
        queries: the number of queries.
        without_relevant: how many of them have no relevant photo in the gallery; their recall counts as 0.
    """

    at: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    empty: tuple[float, ...]
    queries: int
    without_relevant: int


def average_precision(distances: Tensor, relevant: Tensor, k: int | None = None) -> Tensor:
    """AP = Σ_{r ≤ k} P(r) rel(r) / (relevant among the first k), of each query; 0 if there is none.

    P(r) is the share of relevant photos among the first r results.

    Args:
        distances: (Q, N).
        relevant: (Q, N), bool.
        k: how many results count; all when None.

    Returns:
        (Q,), float64.

    Raises:
        ValueError: if the shapes differ or k < 1.
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


def mean_average_precision(
    gallery: Gallery[Items],
    queries: Items,
    query_labels: Tensor,
    gallery_labels: Tensor,
    *,
    k: int | None = None,
    leave_one_out: bool = False,
) -> RetrievalReport:
    """Returns the mAP of queries against a gallery.

    With `k` only the first k results count. With `leave_one_out` query i is item i of the gallery and is removed from
    its own results; a ValueError is raised if there are more queries than photos.
    """
    _check_labels(gallery, queries, query_labels, gallery_labels)
    if leave_one_out and len(queries) > len(gallery):
        raise ValueError(f"{len(queries)} queries are not the first items of a gallery of {len(gallery)}")

    def sums(some: slice, distances: Tensor) -> tuple[float, int]:
        right = relevant(query_labels[some], gallery_labels)
        if leave_one_out:
            own = torch.arange(some.start, some.stop)
            others = torch.ones_like(right).scatter_(1, own[:, None], value=False)
            shape = (len(own), len(gallery) - 1)
            distances, right = distances[others].view(shape), right[others].view(shape)
        return float(average_precision(distances, right, k).sum()), int((~right.any(dim=1)).sum())

    totals, without = zip(*map_chunks(gallery, queries, sums), strict=True)
    return RetrievalReport(sum(totals) / max(1, len(queries)), len(queries), sum(without))


def precision_within(
    gallery: Gallery[Items], queries: Items, query_labels: Tensor, gallery_labels: Tensor, *, radius: float = 2
) -> WithinReport:
    """Returns the precision of what lies at distance ≤ radius, as in "precision within Hamming radius 2".

    The radius is in the unit of the gallery's distances: bits for codes, 1 − cosine for descriptors.
    """
    _check_labels(gallery, queries, query_labels, gallery_labels)

    def sums(some: slice, distances: Tensor) -> tuple[float, int]:
        returned = within(distances, radius)
        counts = returned.sum(axis=1)
        hits = (returned & relevant(query_labels[some], gallery_labels).numpy()).sum(axis=1)
        return float((hits / np.maximum(counts, 1)).sum()), int((counts == 0).sum())

    totals, empty = zip(*map_chunks(gallery, queries, sums), strict=True)
    return WithinReport(sum(totals) / max(1, len(queries)), radius, len(queries), sum(empty))


def precision_recall(
    gallery: HammingGallery, queries: Tensor, query_labels: Tensor, gallery_labels: Tensor
) -> PrecisionRecall:
    """Returns precision and recall within each radius, from 0 to the length of the code."""
    _check_labels(gallery, queries, query_labels, gallery_labels)
    radii = gallery.bits + 1

    def sums(some: slice, distances: Tensor) -> NDArray[np.float64]:
        returned, hits = (np.zeros((some.stop - some.start, radii), np.int64) for _ in range(2))
        right = relevant(query_labels[some], gallery_labels).numpy()
        for query, (row, own) in enumerate(zip(distances.numpy(), right, strict=True)):
            returned[query] = np.bincount(row, minlength=radii).cumsum()
            hits[query] = np.bincount(row[own], minlength=radii).cumsum()
        return _sums(returned, hits, right.sum(axis=1))

    return _curve(range(radii), len(queries), map_chunks(gallery, queries, sums))


def precision_recall_by_rank(
    gallery: Gallery[Items], queries: Items, query_labels: Tensor, gallery_labels: Tensor, ranks: Sequence[int]
) -> PrecisionRecall:
    """Returns precision and recall of the first r results, P(r) and R(r), for several ranks r.

    A ValueError is raised if there are no ranks, or one is not within 1 and len(gallery).
    """
    _check_labels(gallery, queries, query_labels, gallery_labels)
    if not ranks or not 1 <= min(ranks) <= max(ranks) <= len(gallery):
        raise ValueError(f"ranks go from 1 to {len(gallery)}, the size of the gallery: {list(ranks)}")
    at = np.array(ranks)

    def sums(some: slice, distances: Tensor) -> NDArray[np.float64]:
        right = relevant(query_labels[some], gallery_labels).numpy()
        hits = np.zeros((len(right), len(at)), np.int64)
        for query, (keys, own) in enumerate(zip(sort_keys(distances), right, strict=True)):
            order = np.argsort(keys, kind="stable")[: at.max()]
            hits[query] = own[order].cumsum()[at - 1]
        return _sums(np.broadcast_to(at, hits.shape), hits, right.sum(axis=1))

    return _curve(ranks, len(queries), map_chunks(gallery, queries, sums))


def _check_labels(gallery: Gallery[Items], queries: Items, query_labels: Tensor, gallery_labels: Tensor) -> None:
    if len(query_labels) != len(queries) or len(gallery_labels) != len(gallery):
        raise ValueError(
            f"one label per query and one per gallery photo are needed: {len(query_labels)} for {len(queries)} "
            f"queries, {len(gallery_labels)} for {len(gallery)} photos"
        )
    relevant(query_labels[:0], gallery_labels[:0])


def _sums(
    returned: NDArray[np.int64], hits: NDArray[np.int64], relevant_photos: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sums over queries (4, points) of precision, recall, empty results, and queries without relevant photos."""
    precision = hits / np.maximum(returned, 1)
    recall = hits / np.maximum(relevant_photos, 1)[:, None]
    without = np.full(hits.shape[1], (relevant_photos == 0).sum())
    return np.stack([precision.sum(axis=0), recall.sum(axis=0), (returned == 0).sum(axis=0), without])


def _curve(at: Sequence[int], queries: int, chunks: list[NDArray[np.float64]]) -> PrecisionRecall:
    sums = np.sum(chunks, axis=0)
    precision, recall, empty = (tuple(row) for row in (sums[:3] / max(1, queries)).tolist())
    return PrecisionRecall(tuple(at), precision, recall, empty, queries, int(sums[3, 0]))
