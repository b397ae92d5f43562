"""Exact search among descriptors and codes. Equal distances are ordered by gallery index, in every gallery.

A measure of descriptors maps (N, D) and (M, D) to all distances (N, M), float32. Measures compute in double precision
and then round, so that a pair has the same distance whatever is computed beside it, and copies in a gallery are true
ties: in float32 the order of summation, which depends on shapes, shows in the last digits. Similarities are rounded
before they are subtracted from 1, because near 0 a distance would keep what the order of summation left in it.
"""

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

from recessive.codes import pack
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


Measure = Callable[[Tensor, Tensor], Tensor]

_BLOCK_VALUES = 2_000_000  # of descriptors held in double precision at a time: 16 MiB


def cosine_distances(first: Tensor, second: Tensor) -> Tensor:
    """D_ij = 1 − x_i·y_j, at least 0, of descriptors of unit length."""
    return (1 - (first.double() @ second.double().T).float()).clamp_(min=0)


def euclidean_distances(first: Tensor, second: Tensor) -> Tensor:
    """D_ij = ‖x_i − y_j‖₂, the measure of GIST."""
    return torch.cdist(first.double(), second.double(), compute_mode="donot_use_mm_for_euclid_dist").float()


def tanimoto_distances(first: Tensor, second: Tensor) -> Tensor:
    """D_ij = 1 − x·y / (x·x + y·y − x·y), from 0 (same) to 1 (nothing shared), of histograms: the measure of CEDD.

    Each histogram is divided by its sum first. Two empty ones are at 0, an empty one is at 1 from all others.

    Chatzichristofis, Boutalis, "CEDD: color and edge directivity descriptor", 2008, Eq. 12, gives the similarity; the
    released code (LIRE) has a hundred times this distance.
    """
    x, y = (items.double() / items.double().sum(dim=1, keepdim=True).clamp(min=1e-300) for items in (first, second))
    shared = x @ y.T
    both = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1) - shared
    return (1 - torch.where(both > 0, shared / both, 1.0).float()).clamp_(min=0)


class DenseGallery(Gallery[Tensor]):
    """Descriptors (N, dim), compared by a measure; distances are float32.

    By the cosine, descriptors have unit length and distances go from 0 (same) to 2 (opposite). A descriptor may then
    find its copy at 1e-7 rather than at 0, because its length differs from 1 by as much.

    Args:
        dim: the length of a descriptor.
        measure: one of the measures of this module.
    """

    def __init__(self, dim: int, measure: Measure = cosine_distances) -> None:
        if dim < 1:
            raise ValueError(f"descriptors need at least one value: {dim}")
        self.dim = dim
        self.measure = measure
        self._batches: list[Tensor] = []  # joined by the first search, so that many small additions stay cheap

    def __len__(self) -> int:
        """The number of descriptors."""
        return sum(map(len, self._batches))

    def _check(self, items: Tensor) -> Tensor:
        if items.ndim != 2 or items.shape[1] != self.dim:
            raise ValueError(f"this gallery takes descriptors (N, {self.dim}), not {tuple(items.shape)}")
        items = items.detach().float()
        # The comparison is also false for NaN.
        if self.measure is cosine_distances and len(items) and not float((items.norm(dim=1) - 1).abs().max()) <= 1e-3:
            raise ValueError("descriptors must have unit length: divide them by their L2 norm")
        if not bool(items.isfinite().all()):
            raise ValueError("descriptors must be finite numbers")
        return items

    def add(self, items: Tensor) -> None:
        """Appends descriptors (N, dim)."""
        self._batches.append(self._check(items).clone())

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """See `Gallery`."""
        queries = self._check(queries)
        if len(self._batches) != 1:
            self._batches = [torch.cat([torch.empty(0, self.dim), *self._batches])]
        (items,) = self._batches
        blocks = items.split(max(1, _BLOCK_VALUES // self.dim))
        for some in chunks(len(queries), len(items)):
            yield some, torch.cat([self.measure(queries[some], block) for block in blocks], dim=1)

    def between(self, first: Tensor, second: Tensor) -> Tensor:
        """See `Gallery`."""
        check_pairs(first, second)
        pairs = zip(self._check(first), self._check(second), strict=True)
        return torch.tensor([float(self.measure(one[None], other[None])) for one, other in pairs])


_BLOCK = 1 << 14  # words compared at a time, so that they fit the processor's cache


class HammingGallery(Gallery[Tensor]):
    """Codes of ±1 (N, bits), held packed; a distance is the number of bits that differ, int16.

    Args:
        bits: the length of a code.
    """

    def __init__(self, bits: int) -> None:
        if bits < 1:
            raise ValueError(f"codes need at least one bit: {bits}")
        self.bits = bits
        self._batches: list[NDArray[np.uint64]] = []  # joined by the first search, so that small additions stay cheap

    def __len__(self) -> int:
        """The number of codes."""
        return sum(map(len, self._batches))

    def _pack(self, codes: Tensor) -> NDArray[np.uint64]:
        if codes.ndim != 2 or codes.shape[1] != self.bits:
            raise ValueError(f"this gallery takes codes (N, {self.bits}), not {tuple(codes.shape)}")
        packed = pack(codes).numpy()
        words = np.zeros((len(packed), -(-self.bits // 64)), np.uint64)
        words.view(np.uint8)[:, : packed.shape[1]] = packed
        return words

    def add(self, items: Tensor) -> None:
        """Appends codes of ±1 (N, bits)."""
        self._batches.append(self._pack(items))

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """See `Gallery`."""
        packed = self._pack(queries)
        if len(self._batches) != 1:
            self._batches = [np.concatenate([packed[:0], *self._batches])]
        (held,) = self._batches
        for some in chunks(len(packed), len(held)):
            total = np.zeros((some.stop - some.start, len(held)), np.int16)
            for row, words in zip(total, packed[some], strict=True):
                for start in range(0, len(held), _BLOCK):
                    block = slice(start, start + _BLOCK)
                    for column, word in enumerate(words):
                        row[block] += np.bitwise_count(held[block, column] ^ word)
            yield some, torch.from_numpy(total)

    def between(self, first: Tensor, second: Tensor) -> Tensor:
        """See `Gallery`."""
        check_pairs(first, second)
        different = np.bitwise_count(self._pack(first) ^ self._pack(second))
        return torch.from_numpy(different.sum(axis=1).astype(np.int16))
