"""Go away from a code, first with the bits that are not yet turned (mainstay)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.protection.objectives.code_agreement import agreeing_bits
from recessive.protection.objectives.sharpening import sharpness

TURNED = -0.5  # s from which on a bit is left alone


@dataclass(frozen=True)
class UnturnedBits:
    """loss(x') = Σ_j t_j (t_j + 2) / m,  t = max(s, −½),  s = c · tanh(α logits) for each bit.

    The slope 2 (s + 1) is the steeper the more a bit agrees with c, and 0 for bits that are turned, s ≤ −½. α is that
    of `sharpness`. Yuan, Zhang, Wang, Wu, "Semantic-aware adversarial training for reliable deep hashing retrieval",
    IEEE TIFS 2023, in the form that its released code has beside the plain mean of s. There the mean is over the
    unturned bits of the whole batch; a constant −¾ for each turned bit gives each photo's gradient the same
    direction, keeps photos apart, and has no 0/0 when all bits are turned.

    Attributes:
        codes: c of each photo, ±1 (N, m).
    """

    codes: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Logits (N, m) to losses (N,)."""
        agreement = ((sharpness(progress) * outputs).tanh() * self.codes).clamp(min=TURNED)
        return (agreement * (agreement + 2)).mean(1)

    def score(self, outputs: Tensor) -> Tensor:
        """Bits that agree with c (N,): m − Hamming distance."""
        return agreeing_bits(outputs, self.codes)

    def of(self, rows: Tensor) -> UnturnedBits:
        """For some photos of the batch."""
        return UnturnedBits(self.codes[rows])
