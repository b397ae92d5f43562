"""Precision and recall: within a radius, over all radii of a code, and by rank.

All figures are means over queries, in which a query that returns nothing has precision 0, and one without a relevant
photo has recall 0; how many there are of either is reported apart. Ties are ordered by gallery index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from recessive.class_labels import relevant
from recessive.galleries.gallery import Gallery, Items
from recessive.galleries.hamming import HammingGallery
from recessive.galleries.labels import check_labels
from recessive.galleries.nearest import sort_keys
from recessive.galleries.parts import over_parts

_Counts = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
_Sums = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_FARTHEST = np.iinfo(np.int16).max  # of a Hamming distance


@dataclass(frozen=True)
class WithinReport:
    """Precision of what lies within a radius.

    Attributes:
        precision: mean over all queries of relevant returned / returned.
        radius: within which a photo is returned.
        queries: how many there were.
        empty: how many of them return nothing; they count as 0.
    """

    precision: float
    radius: float
    queries: int
    empty: int


@dataclass(frozen=True)
class PrecisionRecall:
    """A curve: one value of each for every radius, or for every rank.

    Attributes:
        at: radii in bits, or ranks.
        precision: mean over queries of relevant returned / returned.
        recall: mean over queries of relevant returned / relevant.
        empty: share of the queries that return nothing; they count as 0 in the precision.
        queries: how many there were.
        without_relevant: how many of them have no relevant photo in the gallery; they count as 0 in the recall.
    """

    at: tuple[int, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    empty: tuple[float, ...]
    queries: int
    without_relevant: int


def precision_within(
    gallery: Gallery[Items], queries: Items, query_labels: Tensor, gallery_labels: Tensor, *, radius: float = 2
) -> WithinReport:
    """Precision of what lies at distance ≤ radius, as in "precision within Hamming radius 2".

    Args:
        gallery: what is searched.
        queries: codes or descriptors (Q, D).
        query_labels: (Q,), or (Q, L), bool.
        gallery_labels: (len(gallery),), or (len(gallery), L), bool.
        radius: bits for codes, 1 − cosine for descriptors.

    Raises:
        ValueError: labels do not match queries or gallery.
    """
    check_labels(gallery, queries, query_labels, gallery_labels)

    def summed(some: slice, distances: Tensor) -> tuple[float, int]:
        limit: Any = np.float64(radius)  # a wider type than the distances': comparing rounds neither
        if not distances.is_floating_point():
            limit = math.floor(min(max(radius, -1), _FARTHEST))
        within = distances.numpy() <= limit
        returned = within.sum(axis=1)
        hits = (within & relevant(query_labels[some], gallery_labels).numpy()).sum(axis=1)
        return float((hits / np.maximum(returned, 1)).sum()), int((returned == 0).sum())

    parts = over_parts(gallery, queries, summed)
    total, empty = sum(part[0] for part in parts), sum(part[1] for part in parts)
    return WithinReport(total / max(1, len(queries)), radius, len(queries), empty)


def precision_recall(
    gallery: HammingGallery, queries: Tensor, query_labels: Tensor, gallery_labels: Tensor
) -> PrecisionRecall:
    """Precision and recall of what lies within each radius, from 0 to the length of the code.

    Args:
        gallery: of codes of m bits.
        queries: codes (Q, m).
        query_labels: (Q,), or (Q, L), bool.
        gallery_labels: (len(gallery),), or (len(gallery), L), bool.

    Raises:
        ValueError: labels do not match queries or gallery.
    """
    check_labels(gallery, queries, query_labels, gallery_labels)
    radii = gallery.bits + 1

    def summed(some: slice, distances: Tensor) -> _Sums:
        returned, hits = (np.zeros((some.stop - some.start, radii), np.int64) for _ in range(2))
        right = relevant(query_labels[some], gallery_labels).numpy()
        for query, (row, own) in enumerate(zip(distances.numpy(), right, strict=True)):
            returned[query] = np.bincount(row, minlength=radii).cumsum()
            hits[query] = np.bincount(row[own], minlength=radii).cumsum()
        return _sums(returned, hits, right.sum(axis=1))

    return _curve(range(radii), len(queries), sum(over_parts(gallery, queries, summed)))


def precision_recall_by_rank(
    gallery: Gallery[Items], queries: Items, query_labels: Tensor, gallery_labels: Tensor, ranks: Sequence[int]
) -> PrecisionRecall:
    """Precision and recall of the first r results, for several r: P(r) and R(r).

    Args:
        gallery: what is searched.
        queries: codes or descriptors (Q, D).
        query_labels: (Q,), or (Q, L), bool.
        gallery_labels: (len(gallery),), or (len(gallery), L), bool.
        ranks: r, each from 1 to len(gallery).

    Raises:
        ValueError: labels do not match queries or gallery, no ranks, or one that the gallery does not have.
    """
    check_labels(gallery, queries, query_labels, gallery_labels)
    if not ranks or not 1 <= min(ranks) <= max(ranks) <= len(gallery):
        raise ValueError(f"ranks go from 1 to {len(gallery)}, the size of the gallery: {list(ranks)}")
    at = np.array(ranks)

    def summed(some: slice, distances: Tensor) -> _Sums:
        right = relevant(query_labels[some], gallery_labels).numpy()
        hits = np.zeros((len(right), len(at)), np.int64)
        for query, (keys, own) in enumerate(zip(sort_keys(distances), right, strict=True)):
            order = np.argsort(keys, kind="stable")[: at.max()]
            hits[query] = own[order].cumsum()[at - 1]
        return _sums(np.broadcast_to(at, hits.shape), hits, right.sum(axis=1))

    return _curve(ranks, len(queries), sum(over_parts(gallery, queries, summed)))


def _sums(returned: _Counts, hits: _Counts, relevant_photos: _Counts) -> _Sums:
    """Sums over queries: (4, points), of precision, recall, empty results, and queries without relevant photos."""
    precision = hits / np.maximum(returned, 1)
    recall = hits / np.maximum(relevant_photos, 1)[:, None]
    without = np.full(hits.shape[1], (relevant_photos == 0).sum())
    return np.stack([precision.sum(axis=0), recall.sum(axis=0), (returned == 0).sum(axis=0), without])


def _curve(at: Sequence[int], queries: int, sums: _Sums | int) -> PrecisionRecall:
    sums = np.asarray(sums)
    precision, recall, empty = (tuple(row) for row in (sums[:3] / max(1, queries)).tolist())
    return PrecisionRecall(tuple(at), precision, recall, empty, queries, int(sums[3, 0]))
