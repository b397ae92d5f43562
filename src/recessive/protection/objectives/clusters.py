"""The objective of CWDM: keep away from dense clusters of codes.

`k_means` or `dbscan` divides the owner's sample into clusters. `fit_curves` fits one curve to each, the share of the
sample that lies at least so far from the cluster's centre, and `ClusterCurves` leads to where all curves are low.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recessive.codes import sign, sign_straight_through
from recessive.protection.optimise import Objective

MIN_SAMPLES = 5  # of DBSCAN, scikit-learn's default
NOISE = -1
CurveKind = Literal["quadratic", "tanh", "exponential"]
GRID = np.arange(0.0, 30.0, 0.01)  # distances that curves are fitted on, as in the released code
NARROWEST = 0.1  # bits; a cluster of equal codes would ask for a cliff
Centres = Literal["real", "signed"]
Relaxation = Literal["straight-through", "tanh"]
CLIP = 1.5  # logits beyond it pass no gradient: their bits are settled


def k_means(codes: Tensor, clusters: int, seed: int = 0) -> Tensor:
    """Return the cluster of each code (N,), int64, 0, …, k − 1, by Lloyd's k-means begun with k-means++.

    Args:
        codes: ±1, (N, m).
        clusters: k; at most as many are made as there are different codes.
        seed: the seed of the beginning; the released code uses 0 as well.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import, and only this method needs it

    points = _points(codes)
    different = len(np.unique(points, axis=0))
    fitted = KMeans(min(clusters, different), random_state=seed, n_init=1).fit(points)
    _, labels = np.unique(fitted.labels_, return_inverse=True)  # no cluster is empty
    return torch.from_numpy(labels.reshape(-1).astype(np.int64)).to(codes.device)


def dbscan(codes: Tensor, eps: float) -> Tensor:
    """Return the cluster of each code (N,), int64, by DBSCAN; `NOISE` where it is in none. There may be no cluster.

    Codes that differ in h bits are 2√h apart: below ε = 2 only equal codes are neighbours, from 2 on those within one
    bit, from 2.83 within two, from 3.46 within three. A code with `MIN_SAMPLES` neighbours, itself among them, is the
    core of a cluster. Equal codes are one point with a weight, which gives the same clusters in less memory.

    Args:
        codes: ±1, (N, m).
        eps: ε, the Euclidean distance up to which codes are neighbours.
    """
    from sklearn.cluster import DBSCAN  # noqa: PLC0415 - see k_means

    points, where, count = np.unique(_points(codes), axis=0, return_inverse=True, return_counts=True)
    found = DBSCAN(eps=eps, min_samples=MIN_SAMPLES).fit(points, sample_weight=count)
    return torch.from_numpy(found.labels_.astype(np.int64)[where.reshape(-1)]).to(codes.device)


def _points(codes: Tensor) -> np.ndarray:
    """Codes in the form that scikit-learn takes."""
    return codes.cpu().numpy().astype(np.float64)


@dataclass(frozen=True)
class Curves(ABC):
    """One curve F_i per cluster.

    Attributes:
        parameters: the parameters of each curve, (k, P).
    """

    parameters: Tensor

    @abstractmethod
    def __call__(self, distances: Tensor) -> Tensor:
        """Distances d_i (N, k) in bits to heights F_i(d_i) (N, k), differentiable."""

    @staticmethod
    @abstractmethod
    def fit(shares: np.ndarray) -> np.ndarray:
        """Fit the parameters (P,) of one curve to its heights at `GRID` by least squares."""


@dataclass(frozen=True)
class Quadratic(Curves):
    """F(d) = β₀ d² + β₁ d + β₂, as CVPR 2020 names the parameters. Beyond its vertex it rises again."""

    def __call__(self, distances: Tensor) -> Tensor:
        """See `Curves`."""
        square, linear, constant = self.parameters.T
        heights: Tensor = (square * distances + linear) * distances + constant
        return heights

    @staticmethod
    def fit(shares: np.ndarray) -> np.ndarray:
        """In closed form, as in the paper."""
        return np.polyfit(GRID, shares, 2)


@dataclass(frozen=True)
class Tanh(Curves):
    """F(d) = a (1 − tanh((d − b) / s)): a shelf at 2a, a fall around b, and a flat tail without gradient."""

    def __call__(self, distances: Tensor) -> Tensor:
        """See `Curves`."""
        height, middle, width = self.parameters.T
        heights: Tensor = height * (1 - ((distances - middle) / width).tanh())
        return heights

    @staticmethod
    def fit(shares: np.ndarray) -> np.ndarray:
        """From two starts, a narrow fall where half is left and a wide one at the centre itself."""

        def values(p: np.ndarray) -> np.ndarray:
            return np.asarray(p[0] * (1 - np.tanh((GRID - p[1]) / p[2])))

        width = 0.5 * (_passed(shares, 0.12) - _passed(shares, 0.88))
        starts = [[0.5, _passed(shares, 0.5), width], [1.0, 0.0, 3.0]]
        return _least_squares(values, shares, starts, low=[0, -30, NARROWEST], high=[10, 60, 60])


@dataclass(frozen=True)
class Exponential(Curves):
    """F(d) = a e^(−b d): steepest at the centre itself."""

    def __call__(self, distances: Tensor) -> Tensor:
        """See `Curves`."""
        height, rate = self.parameters.T
        heights: Tensor = height * (-rate * distances).exp()
        return heights

    @staticmethod
    def fit(shares: np.ndarray) -> np.ndarray:
        """From the first share, with the same area below the curve."""

        def values(p: np.ndarray) -> np.ndarray:
            return np.asarray(p[0] * np.exp(-p[1] * GRID))

        area = float(shares.sum() / shares[0]) * 0.01
        return _least_squares(values, shares, [[1.0, 1 / max(area, NARROWEST)]], low=[0, 0], high=[100, 1 / NARROWEST])


KINDS: dict[CurveKind, type[Curves]] = {"quadratic": Quadratic, "tanh": Tanh, "exponential": Exponential}


def survivors(distances: np.ndarray) -> np.ndarray:
    """y(d) = #{members at distance ≥ d} for d = 0, 0.01, …, 29.99: decreasing, (3000,).

    Args:
        distances: the distances of the members from their centre (M,), in bits.
    """
    return len(distances) - np.searchsorted(np.sort(distances), GRID - 1e-9, side="left")


def fit(kind: CurveKind, shares: list[np.ndarray], device: torch.device) -> Curves:
    """Return the curves with the least squared error at `GRID` (CVPR 2020, Eq. 9), one per cluster.

    Args:
        kind: the kind of the curves.
        shares: for each cluster, `survivors` divided by any constant; more than 0 at distance 0.
        device: the device of the parameters.
    """
    found = np.stack([KINDS[kind].fit(each) for each in shares])
    return KINDS[kind](torch.from_numpy(found).float().to(device))


def _passed(shares: np.ndarray, part: float) -> float:
    """The first distance at which at most a part of the first share is left; the farthest where more is."""
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


@dataclass(frozen=True)
class ClusterCurves(Objective):
    """loss(x') = Σ_i F_i(d_i), or Σ_i F_i(d_i)², d_i the distance from the centre of cluster i.

        straight-through:  d_i = ½ (m − h·c_i),           h = sign(logits), gradient where |logit| < 1.5
        tanh:              d_i = ½ ||tanh(logits) − c_i||₁

    Xiao, Wang, Gao, CVPR 2020, Eq. 5-9. F_i is a curve fitted to the share of the sample that belongs to cluster i and
    lies at distance ≥ d from its centre (a decreasing survival count: only that reading fits the paper's
    Property 2). The first distance is that of Eq. 5, between codes, and ½||h − c_i||₁ as well, since |h| = 1 ≥ |c|; the
    second that of the authors' released code, which for centres of ±1 is ½ (m − tanh(logits)·c_i).

    F_i² is smallest where F_i = 0: for a quadratic that dips below 0, at its first root. F_i itself is smallest at the
    vertex, which lies farther from the centre.

    Attributes:
        centres: c_i (k, m) in [−1, 1].
        curves: F_i.
        squared: whether F_i² is summed.
        relaxation: how a gradient passes from codes to logits.
    """

    centres: Tensor
    curves: Curves
    squared: bool = False
    relaxation: Relaxation = "straight-through"

    def distances(self, outputs: Tensor) -> Tensor:
        """Logits (N, m) to d_i (N, k)."""
        if self.relaxation == "tanh":
            return 0.5 * torch.cdist(outputs.tanh(), self.centres, p=1)
        return 0.5 * (outputs.shape[1] - sign_straight_through(outputs, CLIP) @ self.centres.T)

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        heights = self.curves(self.distances(outputs))
        return (heights.square() if self.squared else heights).sum(1)


def fit_curves(
    codes: Tensor,
    labels: Tensor,
    kind: CurveKind = "quadratic",
    *,
    squared: bool = False,
    centres: Centres = "real",
    relaxation: Relaxation = "straight-through",
) -> ClusterCurves:
    """Find the centre of each cluster, and fit a curve to its members' distances from it.

    c_i = mean of the members, or its sign;  y_i(d) = #{g in cluster i: ½||c_g − c_i||₁ ≥ d} / N on the grid
    d = 0, 0.01, …, 29.99, fitted by least squares (CVPR 2020, Eq. 9). Dividing by N, the number of codes, makes the
    loss independent of the sample's size.

    Args:
        codes: ±1, (N, m): the owner's sample.
        labels: the cluster of each, 0, …, k − 1, or below 0 for none (N,); no cluster is empty.
        kind: the kind of the curves.
        squared: see `ClusterCurves`.
        centres: whether a centre is the mean, or its sign.
        relaxation: see `ClusterCurves`.

    Raises:
        ValueError: if no code is in a cluster.
    """
    count = int(labels.max()) + 1
    if count < 1:
        raise ValueError("no code is in a cluster")
    device, codes, labels = codes.device, codes.cpu().double(), labels.cpu()
    middles, shares = [], []
    for number in range(count):
        members = codes[labels == number]
        middle = members.mean(0) if centres == "real" else sign(members.mean(0))
        away = 0.5 * (members - middle).abs().sum(1)
        middles.append(middle)
        shares.append(survivors(away.numpy()) / len(codes))
    fitted = fit(kind, shares, device)
    return ClusterCurves(torch.stack(middles).float().to(device), fitted, squared, relaxation)
