"""Objectives of descriptors: away from the original's, or towards a target's."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from recessive.protection.optimise import Objective, PerPhoto


@dataclass(frozen=True)
class DescriptorDistance(Objective):
    """loss(x') = −||f(x') − f(x)||₂².

    Liu, Zhao, Larson, "Who's afraid of adversarial queries?", ICMR 2019, section 5.1. Its gradient is exactly zero
    at x' = x, so a random start is part of the method.

    Attributes:
        originals: f(x), descriptors (N, D).
    """

    originals: PerPhoto[Tensor]

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Descriptors (N, D) to losses (N,)."""
        return -(outputs - self.originals).square().sum(1)


@dataclass(frozen=True)
class TargetCosine(Objective):
    """loss(x') = 1 − cos(f(x'), t): 0 when the outputs point where the target's do, 2 when they point away.

    Tolias, Radenovic, Chum, "Targeted mismatch adversarial attack", ICCV 2019, the global descriptor's performance
    loss. For logits t is a code: the cosine is 1 when every bit is the target's and all logits are equally large.

    Attributes:
        targets: t, descriptors or codes of ±1 (N, D).
    """

    targets: PerPhoto[Tensor]

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Descriptors or logits (N, D) to losses (N,)."""
        return 1 - F.cosine_similarity(outputs, self.targets, dim=1)
