"""Balls: where a photo may go. Budgets are in 1/255, photos (N, 3, H, W) in [0, 1].

Every ball is intersected with the box [0, 1]. The original lies in both, so clamping to the box moves no value away
from the original and never leaves the ball.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_SLACK = 1e-6  # of float32 rounding, in photo units: four thousandths of a grey level


class Ball(Protocol):
    """Where a photo may go around its original."""

    def project(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Bring photos (N, 3, H, W) back into the ball around the originals and into [0, 1]."""
        ...

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """A random point of the ball for each photo, from its own seed alone."""
        ...

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:
        """A near point of the 8-bit grid {0, …, 255}/255 that lies in the ball, for originals on that grid."""
        ...


def _check(budget: float) -> None:
    if not budget > 0:
        raise ValueError(f"a budget must be positive, in 1/255: {budget}")


def _same_shape(photos: Tensor, originals: Tensor) -> None:
    if photos.shape != originals.shape:
        raise ValueError(f"photos {tuple(photos.shape)} and originals {tuple(originals.shape)} differ in shape")


def _draw(originals: Tensor, seeds: Sequence[int]) -> Tensor:
    """Uniform in [−1, 1], each photo from its own seed."""
    if len(seeds) != len(originals):
        raise ValueError(f"one seed a photo is needed: {len(seeds)} for {len(originals)} photos")
    shape = originals.shape[1:]
    draws = [torch.rand(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return 2 * torch.stack(draws) - 1


@dataclass(frozen=True)
class LInf:
    """max_i |x'_i − x_i| ≤ budget/255.

    Attributes:
        budget: the radius in 1/255.
    """

    budget: float

    def __post_init__(self) -> None:
        _check(self.budget)

    def project(self, photos: Tensor, originals: Tensor) -> Tensor:
        """The nearest point of ball and box: each value clamped."""
        _same_shape(photos, originals)
        radius = self.budget / 255
        return torch.minimum(torch.maximum(photos, originals - radius), originals + radius).clamp(0, 1)

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """Uniform in the ball, then clamped to [0, 1]."""
        return (originals + self.budget / 255 * _draw(originals, seeds)).clamp(0, 1)

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:
        """The nearest level inside the ball: rounded, then clamped to whole levels within the budget."""
        _same_shape(photos, originals)
        centres, reach = (originals * 255).round(), math.floor(self.budget + 255 * _SLACK)
        levels = (photos * 255).round()
        return torch.minimum(torch.maximum(levels, centres - reach), centres + reach).clamp(0, 255) / 255


@dataclass(frozen=True)
class L2:
    """||x' − x||₂ ≤ budget/255 · √D for D values a photo: a root-mean-square change of at most budget/255.

    The root-mean-square makes one budget mean the same at every photo size.

    Attributes:
        budget: the root-mean-square radius in 1/255.
    """

    budget: float

    def __post_init__(self) -> None:
        _check(self.budget)

    def project(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Shrink the change to the radius, then clamp to the box (which shrinks it further)."""
        _same_shape(photos, originals)
        change = photos - originals
        norm = change.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
        return (originals + change * (self.budget / 255 / norm).clamp(max=1)).clamp(0, 1)

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """Uniform noise scaled to the radius."""
        draw = _draw(originals, seeds)
        norm = draw.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return (originals + self.budget / 255 * draw / norm).clamp(0, 1)

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Round to the nearest level; photos that leave the ball by it are rounded toward the original instead."""
        _same_shape(photos, originals)
        levels, centres = photos * 255, (originals * 255).round()
        nearest = levels.round().clamp(0, 255)
        norm = (nearest - centres).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        inside = norm <= self.budget + 255 * _SLACK
        toward = torch.where(levels > centres, levels.floor(), levels.ceil()).clamp(0, 255)
        return torch.where(inside, nearest, toward) / 255
