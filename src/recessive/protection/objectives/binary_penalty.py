"""Agree with an anchor code, the sign kept and logits drawn to ±1 (RNM)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor

from recessive.codes import sign, sign_straight_through
from recessive.protection.objectives.code_agreement import differing_bits


@dataclass(frozen=True)
class BinaryPenalty:
    """loss(x') = a ||u − sign(u)||₂² − sign(u) · h_t, with the gradient 2a (u − sign(u)) − h_t in each logit u.

    Within the norm sign(u) is a constant; in the product it passes the gradient as if it were u. A bit that is wrong,
    with u = −h_t c for c > 0, has the slope −h_t (1 + 2a (c − 1)): it flips whatever c where a < 1/2, and for a > 1/2
    comes to rest at c = 1 − 1/(2a).

    Huang et al., "A fast method for protecting users' privacy in image hash retrieval system", Machines 2022, Eq. 12
    and Algorithm 1, whose product has a weight of 1/m: their a is ours over m.

    Attributes:
        anchors: h_t, codes of ±1 (N, m).
        weight: a.
    """

    anchors: Tensor
    weight: float

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        penalty = (outputs - sign(outputs)).square().sum(1)
        return self.weight * penalty - (sign_straight_through(outputs, math.inf) * self.anchors).sum(1)

    def score(self, outputs: Tensor) -> Tensor:
        """Bits that differ from the anchor (N,): the Hamming distance."""
        return differing_bits(outputs, self.anchors)

    def of(self, rows: Tensor) -> BinaryPenalty:
        """For some photos of the batch."""
        return replace(self, anchors=self.anchors[rows])
