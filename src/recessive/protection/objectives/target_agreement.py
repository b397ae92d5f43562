"""Agree with an anchor code, the sign softened to tanh (Tanh-P2P, Tanh-P2S)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.protection.objectives.code_agreement import differing_bits
from recessive.protection.objectives.sharpening import sharpness


@dataclass(frozen=True)
class TargetAgreement:
    """loss(x') = −(1/m) tanh(α · logits) · h_t, with the α of `sharpness`: −1 where every bit is the anchor's.

    Bai et al., "Targeted attack for deep hashing based retrieval", ECCV 2020 (DHTA); Huang et al., "A fast method for
    protecting users' privacy in image hash retrieval system", Machines 2022, Eq. 2.

    Attributes:
        anchors: h_t, codes of ±1 (N, m).
    """

    anchors: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to losses (N,)."""
        return -((sharpness(progress) * outputs).tanh() * self.anchors).mean(1)

    def score(self, outputs: Tensor) -> Tensor:
        """Bits that differ from the anchor (N,): the Hamming distance."""
        return differing_bits(outputs, self.anchors)

    def of(self, rows: Tensor) -> TargetAgreement:
        """For some photos of the batch."""
        return TargetAgreement(self.anchors[rows])
