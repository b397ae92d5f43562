"""Look like a target (TMA)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class TargetCosine:
    """loss(x') = 1 − cos(f(x'), t): 0 when the outputs point where the target's do, 2 when they point away.

    Tolias, Radenovic, Chum, "Targeted mismatch adversarial attack", ICCV 2019, the global descriptor's performance
    loss. For logits t is a code: the cosine is 1 when every bit is the target's and all logits are equally large.

    Attributes:
        targets: t, descriptors or codes of ±1 (N, D).
    """

    targets: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Descriptors or logits (N, D) to losses (N,)."""
        return 1 - F.cosine_similarity(outputs, self.targets, dim=1)

    def score(self, outputs: Tensor) -> Tensor:
        """The loss itself."""
        return self(outputs, 0.0)

    def of(self, rows: Tensor) -> TargetCosine:
        """For some photos of the batch."""
        return TargetCosine(self.targets[rows])
