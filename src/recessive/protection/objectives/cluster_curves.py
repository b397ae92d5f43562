"""Go where clusters of codes have few members near (CWDM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from recessive.codes import sign, sign_straight_through
from recessive.protection.losses import Objective
from recessive.protection.objectives import curves as curve
from recessive.protection.objectives.curves import CurveKind, Curves

Centres = Literal["real", "signed"]
Relaxation = Literal["straight-through", "tanh"]
CLIP = 1.5  # logits beyond it pass no gradient: their bits are settled


@dataclass(frozen=True)
class ClusterCurves:
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

    def score(self, outputs: Tensor) -> Tensor:
        """The loss itself."""
        return self(outputs, 0.0)

    def of(self, rows: Tensor) -> Objective:  # noqa: ARG002 - the same for every photo
        """For some photos of the batch: the same."""
        return self


def fit_curves(
    codes: Tensor,
    labels: Tensor,
    kind: CurveKind = "quadratic",
    *,
    squared: bool = False,
    centres: Centres = "real",
    relaxation: Relaxation = "straight-through",
) -> ClusterCurves:
    """The centre of each cluster, and a curve fitted to its members' distances from it.

    c_i = mean of the members, or its sign;  y_i(d) = #{g in cluster i: ½||c_g − c_i||₁ ≥ d} / N on the grid
    d = 0, 0.01, …, 29.99, fitted by least squares (CVPR 2020, Eq. 9). Dividing by N, the number of codes, makes the
    loss independent of the sample's size.

    Args:
        codes: ±1, (N, m): the owner's sample.
        labels: the cluster of each, 0, …, k − 1, or below 0 for none (N,); no cluster is empty.
        kind: of the curves.
        squared: see `ClusterCurves`.
        centres: the mean, or its sign.
        relaxation: see `ClusterCurves`.

    Raises:
        ValueError: no code is in a cluster.
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
        shares.append(curve.survivors(away.numpy()) / len(codes))
    fitted = curve.fit(kind, shares, device)
    return ClusterCurves(torch.stack(middles).float().to(device), fitted, squared, relaxation)
