"""What all galleries share: exact search under one rule for ties, equal distances are ordered by gallery index."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.parallel import ordered_map

Items = TypeVar("Items", bound=Sized)
Figure = TypeVar("Figure")

SCRATCH_VALUES = 4_000_000  # distances held at a time: at most 16 MiB, or one query's if the gallery is larger
_FARTHEST = np.iinfo(np.int16).max  # Hamming distance


@dataclass(frozen=True)
class Hits:
    """The first k results of each query, nearest first.

    Attributes:
        distances: (Q, k).
        indices: (Q, k), gallery indices.
    """

    distances: Tensor
    indices: Tensor


class Gallery(ABC, Generic[Items]):
    """A searchable collection of what an encoder returns: codes or descriptors (N, D), or bags of visual words.

    Attributes:
        unrelated: the distance of items that share nothing, which no search returns; infinite if every pair has a
            distance.
    """

    unrelated: float = math.inf

    @abstractmethod
    def __len__(self) -> int:
        """The number of items."""

    @abstractmethod
    def add(self, items: Items) -> None:
        """Appends N items; their indices follow the last.

        Raises:
            ValueError: if the items do not fit this gallery.
        """

    @abstractmethod
    def distances(self, queries: Items) -> Iterator[tuple[slice, Tensor]]:
        """Yields at least one chunk: which queries, and their distances to all items (few, len)."""

    @abstractmethod
    def between(self, first: Items, second: Items) -> Tensor:
        """Returns the distances (N,) of N pairs that need not be in the gallery, as it would measure them.

        Raises:
            ValueError: if the two differ in length.
        """

    def search(self, queries: Items, k: int) -> Hits:
        """Returns the k nearest items of each query; all of them if k is larger than the gallery.

        Raises:
            ValueError: if k < 1.
        """
        if k < 1:
            raise ValueError(f"k counts results, at least 1: {k}")
        hits = [nearest(distances, min(k, len(self))) for _, distances in self.distances(queries)]
        return Hits(torch.cat([chunk.distances for chunk in hits]), torch.cat([chunk.indices for chunk in hits]))

    def count_within(self, queries: Items, radius: float) -> Tensor:
        """Returns how many items lie at distance ≤ radius of each query: (Q,), int64."""
        counts = [np.count_nonzero(within(distances, radius), axis=1) for _, distances in self.distances(queries)]
        return torch.from_numpy(np.concatenate(counts))


def chunks(queries: int, items: int) -> Iterator[slice]:
    """Slices of some queries so that few distances to all items are held at a time; at least one slice."""
    few = max(1, SCRATCH_VALUES // max(1, items))
    for first in range(0, max(1, queries), few):
        yield slice(first, min(first + few, queries))


def map_chunks(gallery: Gallery[Items], queries: Items, figure: Callable[[slice, Tensor], Figure]) -> list[Figure]:
    """Returns a figure of each chunk of queries, in their order.

    Chunks are processed in as many threads as torch uses: NumPy's sorting and counting, which take most of the time,
    release the interpreter's lock. One chunk per thread and one more are held at a time.

    Args:
        gallery: the gallery to search.
        queries: the Q queries.
        figure: maps which queries a chunk holds, and their distances (few, len(gallery)), to the figure.
    """
    return list(ordered_map(lambda chunk: figure(*chunk), gallery.distances(queries), ahead=1))


def check_pairs(first: Sized, second: Sized) -> None:
    """Raises a ValueError if two sequences of pairs differ in length."""
    if len(first) != len(second):
        raise ValueError(f"pairs need two sequences of equal length, not of {len(first)} and {len(second)}")


def within(distances: Tensor, radius: float) -> NDArray[np.bool_]:
    """Returns distances ≤ radius, without rounding the radius to the type of the distances."""
    limit: Any = np.float64(radius)  # NumPy compares in the wider type
    if not distances.is_floating_point():
        limit = math.floor(min(max(radius, -1), _FARTHEST))
    found: NDArray[np.bool_] = distances.numpy() <= limit
    return found


def sort_keys(distances: Tensor) -> NDArray[Any]:
    """Returns distances (Q, N) in the type that NumPy sorts fastest: a stable argsort of a row ranks its results.

    Integers below 256 become bytes, which NumPy sorts by counting: in one pass, with ties in the order of their
    indices.
    """
    values: NDArray[Any] = distances.numpy()
    if values.size and np.issubdtype(values.dtype, np.integer) and values.min() >= 0 and values.max() < 256:
        return values.astype(np.uint8)
    return values


def nearest(distances: Tensor, k: int) -> Hits:
    """Returns the k smallest of each row of (Q, N), k ≤ N, ordered by (distance, index).

    A partial selection: the items nearer than the k-th distance, and of those at that distance the ones of smallest
    index.
    """
    if k == 0:
        return Hits(distances[:, :0], torch.empty(len(distances), 0, dtype=torch.int64))
    farthest = distances.topk(k, dim=1, largest=False, sorted=False).values.amax(dim=1, keepdim=True)
    nearer, ties = distances < farthest, distances == farthest
    missing = k - nearer.sum(dim=1, keepdim=True)
    kept = nearer | (ties & (ties.cumsum(dim=1, dtype=torch.int32) <= missing))
    indices = kept.nonzero()[:, 1].view(len(distances), k)
    values, places = distances.gather(1, indices).sort(dim=1, stable=True)
    return Hits(values, indices.gather(1, places))


def rank(gallery: Gallery[Items], queries: Items, indices: Tensor) -> Tensor:
    """Returns the rank of one given item in the results of each query, the first being 1: (Q,), int64.

    rank = 1 + (number of nearer items) + (number of items at the same distance with a smaller index)

    Args:
        gallery: the gallery to search.
        queries: the Q queries.
        indices: the gallery index of the item for each query (Q,), int64.

    Raises:
        ValueError: if there is not one index per query, or an index lies outside the gallery.
    """
    if indices.shape != (len(queries),):
        raise ValueError(f"one index per query is needed: {tuple(indices.shape)} for {len(queries)} queries")
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(gallery):
        raise ValueError(f"indices must lie in a gallery of {len(gallery)}")
    ranks = torch.empty(len(queries), dtype=torch.int64)
    places = torch.arange(len(gallery))
    for some, distances in gallery.distances(queries):
        wanted = indices[some, None]
        own = distances.gather(1, wanted)
        ranks[some] = 1 + ((distances < own) | ((distances == own) & (places < wanted))).sum(dim=1)
    return ranks
