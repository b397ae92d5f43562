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


_BLOCK_VALUES = 2_000_000  # of descriptors held in double precision at a time: 16 MiB


def cosine_distances(first: Tensor, second: Tensor) -> Tensor:
    """All distances D_ij = 1 − x_i·y_j, at least 0, of descriptors of unit length (N, D) and (M, D): (N, M), float32.

    Summed in double precision and rounded once, so that a pair has one distance whatever is computed beside it, and
    copies in a gallery are true ties. In float32 the order of summation, which depends on shapes, shows in the last
    digits.
    """
    return (1 - first.double() @ second.double().T).clamp_(min=0).float()


class DenseGallery:
    """Descriptors of unit length: distance is 1 − d·c, from 0 (same) to 2 (opposite). Implements `Gallery`.

    Distances are those of `cosine_distances`. A descriptor may find its copy at 1e-7 rather than at 0, by as much as
    its length differs from 1.

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
            parts = items.split(max(1, _BLOCK_VALUES // self.dim))
            yield some, torch.cat([cosine_distances(queries[some], part) for part in parts], dim=1)

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
