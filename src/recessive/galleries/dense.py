"""Exact search among descriptors."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from recessive.galleries import nearest
from recessive.galleries.gallery import SCRATCH_VALUES, Hits
from recessive.galleries.measures import Measure, cosine_distances

_BLOCK_VALUES = 2_000_000  # of descriptors held in double precision at a time: 16 MiB


class DenseGallery:
    """Descriptors, compared by a measure. Implements `Gallery[Tensor]`.

    By the cosine, descriptors have unit length and distances go from 0 (same) to 2 (opposite); a descriptor may then
    find its copy at 1e-7 rather than at 0, by as much as its length differs from 1.

    Args:
        dim: length of a descriptor.
        measure: all distances of (N, dim) and (M, dim): one of `recessive.galleries.measures`.
    """

    unrelated = math.inf  # every pair has a distance

    def __init__(self, dim: int, measure: Measure = cosine_distances) -> None:
        if dim < 1:
            raise ValueError(f"descriptors need at least one value: {dim}")
        self.dim = dim
        self.measure = measure
        self._parts: list[Tensor] = []  # joined when first searched, so that many small additions stay cheap

    def __len__(self) -> int:
        """How many descriptors it holds."""
        return sum(len(part) for part in self._parts)

    def _check(self, items: Tensor) -> Tensor:
        if items.ndim != 2 or items.shape[1] != self.dim:
            raise ValueError(f"this gallery takes descriptors (N, {self.dim}), not {tuple(items.shape)}")
        items = items.detach().float()
        # A NaN is no near length either.
        if self.measure is cosine_distances and len(items) and not float((items.norm(dim=1) - 1).abs().max()) <= 1e-3:
            raise ValueError("descriptors must have unit length: divide them by their L2 norm")
        if not bool(items.isfinite().all()):
            raise ValueError("descriptors must be finite numbers")
        return items

    def _items(self) -> Tensor:
        if len(self._parts) != 1:
            self._parts = [torch.cat([torch.empty(0, self.dim), *self._parts])]
        return self._parts[0]

    def add(self, items: Tensor) -> None:
        """Append descriptors (N, dim)."""
        self._parts.append(self._check(items).clone())

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Distances (few, len), float32, a few queries at a time."""
        queries, items = self._check(queries), self._items()
        few = max(1, SCRATCH_VALUES // max(1, len(items)))
        for first in range(0, max(1, len(queries)), few):
            some = slice(first, min(first + few, len(queries)))
            parts = items.split(max(1, _BLOCK_VALUES // self.dim))
            yield some, torch.cat([self.measure(queries[some], part) for part in parts], dim=1)

    def search(self, queries: Tensor, k: int) -> Hits:
        """See `Gallery`; distances are float32."""
        return nearest.search(self, queries, k)

    def count_within(self, queries: Tensor, radius: float) -> Tensor:
        """See `Gallery`."""
        limit = np.float32(radius)
        if float(limit) > radius:  # so that rounding the radius to float32 lets nothing in
            limit = np.nextafter(limit, np.float32(-np.inf))
        counts = torch.zeros(len(queries), dtype=torch.int64)
        for some, distances in self.distances(queries):
            counts[some] = (distances <= float(limit)).sum(dim=1)
        return counts

    def between(self, first: Tensor, second: Tensor) -> Tensor:
        """See `Gallery`."""
        if len(first) != len(second):
            raise ValueError(f"pairs need as many of the one as of the other: {len(first)} and {len(second)}")
        pairs = zip(self._check(first), self._check(second), strict=True)
        return torch.tensor([float(self.measure(one[None], other[None])) for one, other in pairs])
