"""Make the number of photos that would return this one small (vanish)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recessive.codes import hamming, sign_soft_gradient
from recessive.encoders import Outputs

SAFE = 3.0  # e⁻³: of as many photos again as the sample has, a twentieth of one is expected within T


@dataclass(frozen=True)
class SoftCount:
    """loss(x') = log Σ_g w_g exp((T − D(h(x'), c_g)) / τ), the logarithm of an upper bound of the hits within T.

    Each hit adds at least w_g, since exp((T − D)/τ) ≥ 1 where D ≤ T: a loss below 0 proves that there is none. Unlike a
    logistic count it is not flat far inside T, so a photo is pushed out of the midst of its own kind.

    The sum goes over the owner's sample (w = 1) and over the photo's own neighbours, what the original and views of it
    look like to the encoder (w = own_weight): the sample may hold few or no photos of the same motif, a searcher may.
    For codes D = ½ (m − h·c), h = sign(logits) with the gradient of softsign; for descriptors D = 1 − d·c.
    Source: ours, docs/design.md.

    Attributes:
        sample: c_g of the owner's sample, codes of ±1 or descriptors (S, D).
        own: c_g of each photo's own neighbours (N, V, D).
        threshold: T, a Hamming distance or a cosine distance.
        temperature: τ, in the same unit.
        own_weight: as how many photos each own neighbour counts.
        outputs: whether outputs are logits or descriptors.
    """

    sample: Tensor
    own: Tensor
    threshold: float
    temperature: float
    own_weight: float
    outputs: Outputs

    def _distances(self, items: Tensor) -> Tensor:
        """Items (N, D), codes or descriptors, to distances (N, S + V)."""
        own = torch.einsum("nd,nvd->nv", items, self.own)
        if self.outputs == "logits":
            return torch.cat([hamming(items, self.sample), 0.5 * (items.shape[1] - own)], dim=1)
        return torch.cat([1 - items @ self.sample.T, 1 - own], dim=1)

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Outputs (N, D) to losses (N,)."""
        items = sign_soft_gradient(outputs) if self.outputs == "logits" else outputs
        margin = (self.threshold - self._distances(items)) / self.temperature
        weights = margin.new_zeros(margin.shape[1])
        weights[len(self.sample) :] = math.log(self.own_weight)
        return torch.logsumexp(margin + weights, dim=1)

    def score(self, outputs: Tensor) -> Tensor:
        """The loss (N,), or −`SAFE` where it is smaller: there the photo is hidden with a margin.

        A hard count within T stands still once T is passed, long before a photo is safe.
        """
        return self(outputs, 1.0).clamp(min=-SAFE)

    def of(self, rows: Tensor) -> SoftCount:
        """For some photos of the batch."""
        return replace(self, own=self.own[rows])
