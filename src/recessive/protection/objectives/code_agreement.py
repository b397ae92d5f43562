"""Disagree with the original's code (HDM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recessive.codes import sign

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CodeAgreement:
    """loss(x') = (h'·h₀ / m + 1)², h' = tanh(logits): 4 at the original, 0 when every bit is flipped.

    Xiao, Wang, Gao, "Evade deep image retrieval by stashing private images in the hash space", CVPR 2020, Eq. 3.
    At x' = x the gradient is not zero, because |tanh| < 1.

    Attributes:
        originals: h₀, codes of ±1 (N, m).
    """

    originals: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        return ((outputs.tanh() * self.originals).mean(1) + 1).square()

    def score(self, outputs: Tensor) -> Tensor:
        """Bits that agree with the original's code (N,): m − Hamming distance."""
        return (sign(outputs) == self.originals).sum(1).float()

    def of(self, rows: Tensor) -> CodeAgreement:
        """For some photos of the batch."""
        return CodeAgreement(self.originals[rows])
