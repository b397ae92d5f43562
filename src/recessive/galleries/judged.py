"""mAP by judgements: people have decided which photos a query should find, and which are ignored as junk.

Philbin et al., "Object retrieval with large vocabularies and fast spatial matching", CVPR 2007 (Oxford5k, later
Paris6k), whose average precision is an area of trapezoids; Radenović et al., "Revisiting Oxford and Paris", CVPR 2018,
section 3, for the precision of the first results. Both differ from `recessive.galleries.ranking`, which takes the mean
of the precisions at the hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.galleries.gallery import Gallery, Items, map_chunks, sort_keys

_FIRST = (1, 5, 10)  # k of mP@k in the revisited evaluation


@dataclass(frozen=True)
class Judgement:
    """What one query should find; all photos that are not named are wrong results.

    Attributes:
        positive: gallery indices of the photos to find.
        junk: gallery indices of the photos that are ignored.
    """

    positive: tuple[int, ...]
    junk: tuple[int, ...]

    def __post_init__(self) -> None:
        named = self.positive + self.junk
        if len(set(named)) != len(named):
            raise ValueError("a judgement names a photo twice; it may be positive once, or junk once")
        if named and min(named) < 0:
            raise ValueError(f"a judgement names gallery indices, at least 0: {min(named)}")


@dataclass(frozen=True)
class JudgedReport:
    """mAP by judgements, and over how many queries.

    Attributes:
        map: mean of `trapezoid_average_precision` over all queries.
        precision_at: mP@k for k = 1, 5 and 10, as in the revisited evaluation: the mean over all queries of the
            precision of the first min(k, rank of the last positive) results, without junk.
        queries: the number of queries.
        without_relevant: how many of them have no positive photo; they count as 0.
        average_precisions: the average precision of each query, in order.
    """

    map: float
    precision_at: dict[int, float]
    queries: int
    without_relevant: int
    average_precisions: tuple[float, ...]

    @property
    def answerable(self) -> JudgedReport:
        """The same over the queries that have a positive photo, as in the revisited evaluation."""
        found = tuple(value for value in self.average_precisions if value > 0)  # a positive photo always has a rank
        share = self.queries / max(1, len(found))
        precision_at = {first: share * value for first, value in self.precision_at.items()}
        return JudgedReport(share * self.map, precision_at, len(found), 0, found)


def trapezoid_average_precision(distances: Tensor, judgements: Sequence[Judgement]) -> Tensor:
    """Returns the area under precision over recall, in trapezoids, of each query; 0 if there is nothing to find.

    Results are ordered by (distance, gallery index), and junk is removed first. With P positive photos, of which the
    j-th (from 0) comes at rank r_j (from 0) of the rest,

        AP = Σ_j (p₀ + p₁) / 2P,   p₁ = (j + 1) / (r_j + 1),   p₀ = j / r_j, or 1 if r_j = 0

    This equals the sum of (recall − recall before) · (precision before + precision) / 2 over all results, with a
    precision of 1 before the first.

    Args:
        distances: (Q, N).
        judgements: one per query.

    Returns:
        (Q,), float64.

    Raises:
        ValueError: if there is not one judgement per query, or one names a photo outside the gallery.
    """
    _check(judgements, *distances.shape)
    return torch.tensor([_average_precision(ranks) for ranks in _ranks(distances, judgements)], dtype=torch.float64)


def judged_map(gallery: Gallery[Items], queries: Items, judgements: Sequence[Judgement]) -> JudgedReport:
    """Returns mAP and mP@k of queries against a gallery, by judgements.

    A query that is itself in the gallery counts as its judgement says.

    Args:
        gallery: the gallery to search.
        queries: the Q queries.
        judgements: one per query.

    Raises:
        ValueError: if there is not one judgement per query, or one names a photo outside the gallery.
    """
    _check(judgements, len(queries), len(gallery))

    chunks = map_chunks(gallery, queries, lambda some, distances: _ranks(distances, judgements[some]))
    ranks = [own for chunk in chunks for own in chunk]
    found = tuple(map(_average_precision, ranks))
    count = max(1, len(ranks))
    return JudgedReport(
        map=sum(found) / count,
        precision_at={k: sum(_precision(own, k) for own in ranks) / count for k in _FIRST},
        queries=len(ranks),
        without_relevant=sum(not judgement.positive for judgement in judgements),
        average_precisions=found,
    )


def _check(judgements: Sequence[Judgement], queries: int, photos: int) -> None:
    if len(judgements) != queries:
        raise ValueError(f"one judgement per query is needed: {len(judgements)} for {queries} queries")
    for query, judgement in enumerate(judgements):
        largest = max(judgement.positive + judgement.junk, default=-1)
        if largest >= photos:
            raise ValueError(f"the judgement of query {query} names photo {largest} of a gallery of {photos}")


def _ranks(distances: Tensor, judgements: Sequence[Judgement]) -> list[NDArray[np.int64]]:
    """The ascending ranks, from 0, of each query's positive photos among its results without junk."""
    ranks = []
    for keys, judgement in zip(sort_keys(distances), judgements, strict=True):
        marks = np.zeros(len(keys), np.int8)
        marks[list(judgement.positive)] = 1
        marks[list(judgement.junk)] = -1
        results = marks[np.argsort(keys, kind="stable")]
        ranks.append(np.flatnonzero(results[results >= 0]))
    return ranks


def _average_precision(ranks: NDArray[np.int64]) -> float:
    if not len(ranks):
        return 0.0
    hits = np.arange(len(ranks))
    before = np.where(ranks == 0, 1.0, hits / np.maximum(ranks, 1))
    return float((before + (hits + 1) / (ranks + 1)).mean() / 2)


def _precision(ranks: NDArray[np.int64], first: int) -> float:
    """The precision of the first results, up to the last positive photo."""
    if not len(ranks):
        return 0.0
    count = min(first, int(ranks[-1]) + 1)
    return int((ranks < count).sum()) / count
