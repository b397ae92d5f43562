"""Curves that are fitted to how many members of a cluster lie how far from its centre (CWDM)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

CurveKind = Literal["quadratic", "tanh", "exponential"]
GRID = np.arange(0.0, 30.0, 0.01)  # distances that curves are fitted on, as in the released code
NARROWEST = 0.1  # bits; a cluster of equal codes would ask for a cliff


class Curves(Protocol):
    """One curve a cluster: distances (N, k) to heights F_i(d_i) (N, k), differentiable."""

    def __call__(self, distances: Tensor) -> Tensor:
        """Distances (N, k) in bits to heights (N, k)."""
        ...


@dataclass(frozen=True)
class Quadratic:
    """F(d) = β₀ d² + β₁ d + β₂, as CVPR 2020 names the parameters. Beyond its vertex it rises again.

    Attributes:
        parameters: (k, 3), β₀ β₁ β₂.
    """

    parameters: Tensor

    def __call__(self, distances: Tensor) -> Tensor:
        """See `Curves`."""
        square, linear, constant = self.parameters.T
        heights: Tensor = (square * distances + linear) * distances + constant
        return heights

    @staticmethod
    def fit(shares: np.ndarray) -> np.ndarray:
        """Least squares in closed form, as the paper has it."""
        return np.polyfit(GRID, shares, 2)


@dataclass(frozen=True)
class Tanh:
    """F(d) = a (1 − tanh((d − b) / s)): a shelf at 2a, a fall around b, and a flat tail without gradient.

    Attributes:
        parameters: (k, 3), a b s.
    """

    parameters: Tensor

    def __call__(self, distances: Tensor) -> Tensor:
        """See `Curves`."""
        height, middle, width = self.parameters.T
        heights: Tensor = height * (1 - ((distances - middle) / width).tanh())
        return heights

    @staticmethod
    def fit(shares: np.ndarray) -> np.ndarray:
        """Least squares, from where half is left and from the centre itself: a narrow and a wide fall."""

        def values(p: np.ndarray) -> np.ndarray:
            return np.asarray(p[0] * (1 - np.tanh((GRID - p[1]) / p[2])))

        width = 0.5 * (_passed(shares, 0.12) - _passed(shares, 0.88))
        starts = [[0.5, _passed(shares, 0.5), width], [1.0, 0.0, 3.0]]
        return _least_squares(values, shares, starts, low=[0, -30, NARROWEST], high=[10, 60, 60])


@dataclass(frozen=True)
class Exponential:
    """F(d) = a e^(−b d): steepest at the centre itself.

    Attributes:
        parameters: (k, 2), a b.
    """

    parameters: Tensor

    def __call__(self, distances: Tensor) -> Tensor:
        """See `Curves`."""
        height, rate = self.parameters.T
        heights: Tensor = height * (-rate * distances).exp()
        return heights

    @staticmethod
    def fit(shares: np.ndarray) -> np.ndarray:
        """Least squares from the first share, with the same area below the curve."""

        def values(p: np.ndarray) -> np.ndarray:
            return np.asarray(p[0] * np.exp(-p[1] * GRID))

        area = float(shares.sum() / shares[0]) * 0.01
        return _least_squares(values, shares, [[1.0, 1 / max(area, NARROWEST)]], low=[0, 0], high=[100, 1 / NARROWEST])


KINDS: dict[CurveKind, type[Quadratic | Tanh | Exponential]] = {
    "quadratic": Quadratic,
    "tanh": Tanh,
    "exponential": Exponential,
}


def survivors(distances: np.ndarray) -> np.ndarray:
    """y(d) = #{members at distance ≥ d} for d = 0, 0.01, …, 29.99: decreasing, (3000,).

    Args:
        distances: of the members from their centre (M,), in bits.
    """
    return len(distances) - np.searchsorted(np.sort(distances), GRID - 1e-9, side="left")


def fit(kind: CurveKind, shares: list[np.ndarray], device: torch.device) -> Curves:
    """The curves with the least squared error at `GRID` (CVPR 2020, Eq. 9), one a cluster.

    Args:
        kind: of the curves.
        shares: of each cluster, `survivors` over any constant; more than 0 at distance 0.
        device: where the parameters are to be.
    """
    chosen = KINDS[kind]
    found = np.stack([chosen.fit(each) for each in shares])
    return chosen(torch.from_numpy(found).float().to(device))


def _passed(shares: np.ndarray, part: float) -> float:
    """The first distance at which a part of the first share, or less, is left; the farthest when more is."""
    below = shares <= part * shares[0]
    return float(GRID[below.argmax()] if below.any() else GRID[-1])


def _least_squares(
    values: Callable[[np.ndarray], np.ndarray],
    shares: np.ndarray,
    starts: list[list[float]],
    *,
    low: list[float],
    high: list[float],
) -> np.ndarray:
    """Fit shares brought to 1 at distance 0, so that bounds mean the same for all clusters; then a is scaled back.

    Of several starts the fit with the least error is taken.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - slow to import, and only this method needs it

    scaled = shares / shares[0]
    fits = [
        least_squares(lambda p: values(p) - scaled, np.clip(start, low, high), bounds=(low, high)) for start in starts
    ]
    found: np.ndarray = min(fits, key=lambda each: each.cost).x
    found[0] *= shares[0]
    return found
