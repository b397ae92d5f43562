"""Exact search among descriptors, and the measures that compare them.

A measure maps (N, D) and (M, D) to all distances (N, M), float32. Measures compute in double precision and then round,
so that a pair has the same distance whatever is computed beside it, and copies in a gallery are true ties: in float32
the order of summation, which depends on shapes, shows in the last digits. Similarities are rounded before they are
subtracted from 1, because near 0 a distance would keep what the order of summation left in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from recessive.galleries.gallery import Gallery, check_pairs, chunks

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
