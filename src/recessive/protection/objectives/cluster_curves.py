"""Go where clusters of codes have few members near (CWDM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from recessive.protection.losses import Objective

FARTHEST = 30.0  # curves are fitted on distances 0, 0.01, …, 29.99


@dataclass(frozen=True)
class ClusterCurves:
    """loss(x') = Σ_i F_i(d_i),  d_i = ½ ||tanh(logits) − c_i||₁,  F_i(d) = β₀ d² + β₁ d + β₂.

    Xiao, Wang, Gao, CVPR 2020, Eq. 5-9. F_i is a fit to the share of the sample that belongs to cluster i and lies at
    distance ≥ d from its centre (a decreasing survival count: only that reading fits the paper's Property 2). F is
    not squared, as in the authors' released code: squaring would move the optimum from the curve's vertex to its first
    root. Centres are the real-valued means of k-means, for which ½||·||₁ is the released code's distance; for
    centres of ±1 it equals ½ (m − h·c).

    Attributes:
        centres: (k, m) in [−1, 1].
        curves: (k, 3), β of each cluster, highest power first.
    """

    centres: Tensor
    curves: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        distances = 0.5 * torch.cdist(outputs.tanh(), self.centres, p=1)
        square, linear, constant = self.curves.T
        heights: Tensor = (square * distances + linear) * distances + constant
        return heights.sum(1)

    def score(self, outputs: Tensor) -> Tensor:
        """The loss itself."""
        return self(outputs, 0.0)

    def of(self, rows: Tensor) -> Objective:  # noqa: ARG002 - the same for every photo
        """For some photos of the batch: the same."""
        return self


def fit_curves(codes: Tensor, clusters: int, seed: int = 0) -> ClusterCurves:
    """Cluster codes by k-means and fit each cluster's survival curve by least squares.

    y_i(d) = #{g in cluster i: ½||c_g − c_i||₁ ≥ d} / N on the grid d = 0, 0.01, …, 29.99, fitted by a polynomial
    of degree 2 (CVPR 2020, Eq. 9). Dividing by N, the number of codes, makes the loss independent of the
    sample's size.

    Args:
        codes: ±1, (N, m): the owner's sample.
        clusters: k; at most N are made.
        seed: of k-means.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import, and only this method needs it

    points = codes.cpu().numpy().astype(np.float64)
    fitted = KMeans(min(clusters, len(points)), random_state=seed, n_init=1).fit(points)
    grid = np.arange(0.0, FARTHEST, 0.01)
    curves = []
    for number, centre in enumerate(fitted.cluster_centers_):
        distances = np.sort(0.5 * np.abs(points[fitted.labels_ == number] - centre).sum(1))
        survivors = len(distances) - np.searchsorted(distances, grid, side="left")
        curves.append(np.polyfit(grid, survivors / len(points), 2))
    centres = torch.from_numpy(fitted.cluster_centers_).float()
    return ClusterCurves(centres.to(codes.device), torch.from_numpy(np.stack(curves)).float().to(codes.device))
