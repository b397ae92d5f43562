"""How far descriptors are apart: all pairs of (N, D) and (M, D), as (N, M), float32.

Computed in double precision and then rounded, so that a pair has one distance whatever is computed beside it, and
copies in a gallery are true ties. In float32 the order of summation, which depends on shapes, shows in the last digits.
Similarities are rounded before they are taken from 1: next to 0 a distance would keep what the order left in it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Measure = Callable[[Tensor, Tensor], Tensor]


def cosine_distances(first: Tensor, second: Tensor) -> Tensor:
    """D_ij = 1 − x_i·y_j, at least 0, of descriptors of unit length."""
    return (1 - (first.double() @ second.double().T).float()).clamp_(min=0)


def euclidean_distances(first: Tensor, second: Tensor) -> Tensor:
    """D_ij = ||x_i − y_j||₂, as GIST is compared by."""
    return torch.cdist(first.double(), second.double(), compute_mode="donot_use_mm_for_euclid_dist").float()


def tanimoto_distances(first: Tensor, second: Tensor) -> Tensor:
    """D_ij = 1 − x·y / (x·x + y·y − x·y), from 0 (same) to 1 (nothing shared), of histograms; CEDD is compared by it.

    Each is divided by its sum first. Two empty ones are at 0, an empty one is at 1 from all others.

    Chatzichristofis, Boutalis, "CEDD: color and edge directivity descriptor", 2008, Eq. 12, where the similarity is
    given; the released code (LIRE) has a hundred times this distance.
    """
    x, y = (items.double() / items.double().sum(dim=1, keepdim=True).clamp(min=1e-300) for items in (first, second))
    shared = x @ y.T
    both = x.square().sum(dim=1)[:, None] + y.square().sum(dim=1) - shared
    return (1 - torch.where(both > 0, shared / both, 1.0).float()).clamp_(min=0)
