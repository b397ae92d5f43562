"""Go away from one code for the whole class (centre code)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.protection.objectives.code_agreement import agreeing_bits


@dataclass(frozen=True)
class CodeProduct:
    """loss(x') = h'·c / m, h' = tanh(logits): 1 where all bits are those of c, −1 where none is.

    Wang, Lin, Li, "CgAT: Center-guided adversarial training for deep hashing-based retrieval", WWW 2023, whose
    adversarial photos are as far from their centre code as can be.

    Attributes:
        codes: c of each photo, ±1 (N, m).
    """

    codes: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        return (outputs.tanh() * self.codes).mean(1)

    def score(self, outputs: Tensor) -> Tensor:
        """Bits that agree with c (N,): m − Hamming distance."""
        return agreeing_bits(outputs, self.codes)

    def of(self, rows: Tensor) -> CodeProduct:
        """For some photos of the batch."""
        return CodeProduct(self.codes[rows])
