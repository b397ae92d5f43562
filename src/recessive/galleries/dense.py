"""Exact search among descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recessive.galleries import nearest
from recessive.galleries.gallery import SCRATCH_VALUES, Hits

if TYPE_CHECKING:
    from collections.abc import Iterator


class DenseGallery:
    """Descriptors of unit length: distance is 1 − d·c, from 0 (same) to 2 (opposite). Implements `Gallery`.

    Distances are float32 and right to about 1e-6: equal descriptors may be found at 1e-7 rather than 0.

    Args:
        dim: length of a descriptor.
    """

    def __init__(self, dim: int) -> None:
        if dim < 1:
            raise ValueError(f"descriptors need at least one value: {dim}")
        self.dim = dim
        self._parts: list[Tensor] = []  # joined when first searched, so that many small additions stay cheap

    def __len__(self) -> int:
        """How many descriptors it holds."""
        return sum(len(part) for part in self._parts)

    def _check(self, items: Tensor) -> Tensor:
        if items.ndim != 2 or items.shape[1] != self.dim:
            raise ValueError(f"this gallery takes descriptors (N, {self.dim}), not {tuple(items.shape)}")
        items = items.detach().float()
        # A NaN is no near length either.
        if len(items) and not float((items.norm(dim=1) - 1).abs().max()) <= 1e-3:
            raise ValueError("descriptors must have unit length: divide them by their L2 norm")
        return items

    def _items(self) -> Tensor:
        if len(self._parts) != 1:
            self._parts = [torch.cat([torch.empty(0, self.dim), *self._parts])]
        return self._parts[0]

    def add(self, items: Tensor) -> None:
        """Append descriptors of unit length (N, dim)."""
        self._parts.append(self._check(items).clone())

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Distances (few, len), float32, a few queries at a time."""
        queries, items = self._check(queries), self._items()
        few = max(1, SCRATCH_VALUES // max(1, len(items)))
        for first in range(0, max(1, len(queries)), few):
            some = slice(first, min(first + few, len(queries)))
            yield some, 1 - queries[some] @ items.T

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
