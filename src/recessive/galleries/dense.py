"""Exact search among descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from recessive.galleries.gallery import SCRATCH_VALUES, Hits

if TYPE_CHECKING:
    from collections.abc import Iterator


class DenseGallery:
    """Descriptors of unit length: distance is 1 − d·c, from 0 (same) to 2 (opposite). Implements `Gallery`.

    Args:
        dim: length of a descriptor.
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"descriptors need at least one value: {dim}")
        self.dim = dim
        self._items = torch.empty(0, dim)

    def __len__(self) -> int:
        """How many descriptors it holds."""
        return len(self._items)

    def _check(self, items: Tensor) -> Tensor:
        if items.ndim != 2 or items.shape[1] != self.dim:
            raise ValueError(f"this gallery takes descriptors of shape (N, {self.dim}), not {tuple(items.shape)}")
        if len(items) and float((items.norm(dim=1) - 1).abs().max()) > 1e-3:
            raise ValueError("descriptors must have unit length: divide them by their L2 norm")
        return items.float()

    def add(self, items: Tensor) -> None:
        """Append descriptors of unit length (N, dim)."""
        self._items = torch.cat([self._items, self._check(items)])

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Distances (few, len), float32, a few queries at a time."""
        queries = self._check(queries)
        few = max(1, SCRATCH_VALUES // max(1, len(self)))
        for first in range(0, len(queries), few):
            some = slice(first, min(first + few, len(queries)))
            yield some, 1 - queries[some] @ self._items.T

    def search(self, queries: Tensor, k: int) -> Hits:
        """See `Gallery`."""
        k = min(k, len(self))
        found = [torch.empty(0, k)], [torch.empty(0, k, dtype=torch.int64)]
        for _, distances in self.distances(queries):
            values, order = distances.sort(dim=1, stable=True)
            found[0].append(values[:, :k])
            found[1].append(order[:, :k])
        return Hits(torch.cat(found[0]), torch.cat(found[1]))

    def count_within(self, queries: Tensor, radius: float) -> Tensor:
        """See `Gallery`."""
        counts = torch.zeros(len(queries), dtype=torch.int64)
        for some, distances in self.distances(queries):
            counts[some] = (distances <= radius).sum(1)
        return counts
