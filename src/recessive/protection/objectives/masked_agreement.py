"""Disagree with the original's code, bit by bit until each bit is safely flipped (HAG)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from recessive.protection.objectives.code_agreement import agreeing_bits
from recessive.protection.objectives.sharpening import sharpness


@dataclass(frozen=True)
class MaskedAgreement:
    """loss(x') = ( Σ_{k in M} h'_k h_k / |M| + 1 )² + ( Σ_{k in M} h'_k / m )²,  M = {k : |h'_k − h_k| < 1 + t}.

    h' = tanh(α · logits) with the α of `sharpness`. M holds the bits that are not yet flipped by a margin t; the
    others rest. The second term keeps +1 and −1 in balance among them. An empty M gives 1 and no gradient.

    Yang et al., "Adversarial examples for Hamming space search", IEEE Transactions on Cybernetics 2020 (HAG).

    Attributes:
        originals: h, codes of ±1 (N, m).
        margin: t.
    """

    originals: Tensor
    margin: float

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to losses (N,)."""
        soft = (sharpness(progress) * outputs).tanh()
        mask = ((soft - self.originals).abs() < 1 + self.margin).to(soft)
        masked = mask * soft
        agreement = (masked * self.originals).sum(1) / mask.sum(1).clamp(min=1)
        return (agreement + 1).square() + masked.mean(1).square()

    def score(self, outputs: Tensor) -> Tensor:
        """Bits that agree with the original's code (N,)."""
        return agreeing_bits(outputs, self.originals)

    def of(self, rows: Tensor) -> MaskedAgreement:
        """For some photos of the batch."""
        return replace(self, originals=self.originals[rows])
