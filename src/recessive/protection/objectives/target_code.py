"""Come near to a target's code (NAG)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.protection.objectives.code_agreement import differing_bits


@dataclass(frozen=True)
class TargetCode:
    """loss(x') = mean_j |h'_j − t_j|, h' = tanh(logits): 0 at the target's code, 2 where no bit is as there.

    Xiao, Wang, "You see what I want you to see", CVPR 2021, first term of the loss of NAG.

    Attributes:
        targets: t of each photo, codes of ±1 (N, m).
    """

    targets: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Logits (N, m) to losses (N,)."""
        return (outputs.tanh() - self.targets).abs().mean(1)

    def score(self, outputs: Tensor) -> Tensor:
        """Hamming distance to the target's code (N,)."""
        return differing_bits(outputs, self.targets)

    def of(self, rows: Tensor) -> TargetCode:
        """For some photos of the batch."""
        return TargetCode(self.targets[rows])
