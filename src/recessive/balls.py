"""Balls: the set of photos that a change may reach. Budgets are in 1/255, photos (N, 3, H, W) in [0, 1].

Every ball is intersected with the box [0, 1]. The original lies in both, so that clamping to the box moves no value
away from the original and never leaves the ball.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_SLACK = 255e-6  # for float32 rounding, in levels
_HALVINGS = 10  # steps in the search for the largest share of a change that fits


class Ball(Protocol):
    """The photos that may take the place of an original."""

    def project(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Projects photos (N, 3, H, W) onto the ball around the originals, intersected with [0, 1]."""
        ...

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """Returns a random point of the ball for each photo, which depends on the seed of that photo alone."""
        ...

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Returns a nearby point of the 8-bit grid {0, …, 255}/255 that lies in the ball.

        The originals need not lie on the grid; where no level lies in the ball, the level nearest to the original is
        taken.
        """
        ...


def _check(budget: float) -> None:
    if not 0 <= budget < math.inf:
        raise ValueError(f"a budget is a number from 0, in 1/255: {budget}")


def _same_shape(photos: Tensor, originals: Tensor) -> None:
    if photos.shape != originals.shape or photos.ndim != 4:
        raise ValueError(
            f"photos {tuple(photos.shape)} and originals {tuple(originals.shape)} must both be (N, 3, H, W)"
        )


def _draw(originals: Tensor, seeds: Sequence[int]) -> Tensor:
    """Uniform values in [−1, 1], each photo from its own seed."""
    if len(seeds) != len(originals):
        raise ValueError(f"one seed per photo is needed: {len(seeds)} for {len(originals)} photos")
    draws = torch.empty_like(originals, device="cpu")
    for draw, seed in zip(draws, seeds, strict=True):
        draw.uniform_(-1, 1, generator=torch.Generator().manual_seed(seed))
    return draws.to(originals.device)


def _root_mean_square(changes: Tensor) -> Tensor:
    """The root mean square of each change: (N, 1, 1, 1)."""
    return changes.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()


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
        """Returns the nearest point of ball and box: each value clamped."""
        _same_shape(photos, originals)
        radius = self.budget / 255
        return torch.clamp(photos, originals - radius, originals + radius).clamp_(0, 1)

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """Returns uniform points of the ball, clamped to [0, 1]."""
        return (originals + self.budget / 255 * _draw(originals, seeds)).clamp(0, 1)

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Returns the nearest level inside the ball: rounded, then clamped to the levels within the budget."""
        _same_shape(photos, originals)
        centres, reach = originals * 255, self.budget + _SLACK
        lowest, highest = (centres - reach).ceil(), (centres + reach).floor()
        levels = torch.minimum(torch.maximum((photos * 255).round(), lowest), highest)
        return torch.where(lowest <= highest, levels, centres.round()).clamp(0, 255) / 255


@dataclass(frozen=True)
class L2:
    """‖x' − x‖₂ ≤ budget/255 · √D for D values per photo: a root-mean-square change of at most budget/255.

    Because of the root mean square, a budget means the same for photos of every size.

    Attributes:
        budget: the root-mean-square radius in 1/255.
    """

    budget: float

    def __post_init__(self) -> None:
        _check(self.budget)

    def project(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Shrinks the change to the radius, then clamps to the box, which shrinks it further."""
        _same_shape(photos, originals)
        changes = photos - originals
        length = _root_mean_square(changes).clamp(min=1e-12)
        return (originals + changes * (self.budget / 255 / length).clamp(max=1)).clamp(0, 1)

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """Returns uniform noise scaled to the radius, clamped to [0, 1]."""
        draws = _draw(originals, seeds)
        return (originals + self.budget / 255 * draws / _root_mean_square(draws)).clamp(0, 1)

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Returns round(x + s (x' − x)) with the largest share s in [0, 1], to 1/1024, for which it lies in the ball.

        The rounded change grows with s in every value, so that bisection finds the share. Rounding all values toward
        the original instead would lose half a level of each.
        """
        _same_shape(photos, originals)
        centres = originals * 255
        changes = photos * 255 - centres

        def rounded(share: Tensor | float) -> Tensor:
            return (centres + share * changes).round().clamp(0, 255)

        levels = rounded(1)
        fits = _root_mean_square(levels - centres) <= self.budget + _SLACK
        if not bool(fits.all()):
            share = fits.to(originals.dtype)
            for halving in range(1, _HALVINGS + 1):
                tried = (share + 0.5**halving).clamp(max=1)
                fits = _root_mean_square(rounded(tried) - centres) <= self.budget + _SLACK
                share = torch.where(fits, tried, share)
            levels = rounded(share)
        return levels / 255
