"""Disagree with the original's code: HDM as printed, and as released."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.codes import sign


def agreeing_bits(outputs: Tensor, codes: Tensor) -> Tensor:
    """Bits of logits (N, m) that agree with codes of ±1 (N, m): (N,), m − Hamming distance."""
    return (sign(outputs) == codes).sum(1).float()


def differing_bits(outputs: Tensor, codes: Tensor) -> Tensor:
    """Bits of logits (N, m) that differ from codes of ±1 (N, m): (N,), their Hamming distance."""
    return (sign(outputs) != codes).sum(1).float()


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
        """See `agreeing_bits`."""
        return agreeing_bits(outputs, self.originals)

    def of(self, rows: Tensor) -> CodeAgreement:
        """For some photos of the batch."""
        return CodeAgreement(self.originals[rows])


@dataclass(frozen=True)
class CodeDistance:
    """loss(x') = −mean_j |h'_j − h₀_j|, h' = tanh(logits): 0 where h' is h₀, −2 where every bit is flipped.

    The loss of HDM in the authors' released code, to be minimised here. As |h'| ≤ 1 it is h'·h₀ / m − 1, which grows
    with `CodeAgreement`: for one encoder the gradients of both have the same signs.

    Attributes:
        originals: h₀, codes of ±1 (N, m).
    """

    originals: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        return -(outputs.tanh() - self.originals).abs().mean(1)

    def score(self, outputs: Tensor) -> Tensor:
        """See `agreeing_bits`."""
        return agreeing_bits(outputs, self.originals)

    def of(self, rows: Tensor) -> CodeDistance:
        """For some photos of the batch."""
        return CodeDistance(self.originals[rows])
