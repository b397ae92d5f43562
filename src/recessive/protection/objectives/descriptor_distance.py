"""Go away from the original's descriptor (PIRE)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DescriptorDistance:
    """loss(x') = −||f(x') − f(x)||₂².

    Liu, Zhao, Larson, "Who's afraid of adversarial queries?", ICMR 2019, section 5.1. Its gradient is exactly zero
    at x' = x, so a random start is part of the method.

    Attributes:
        originals: f(x), descriptors (N, D).
    """

    originals: Tensor

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Descriptors (N, D) to losses (N,)."""
        return -(outputs - self.originals).square().sum(1)

    def score(self, outputs: Tensor) -> Tensor:
        """The loss itself."""
        return self(outputs, 0.0)

    def of(self, rows: Tensor) -> DescriptorDistance:
        """For some photos of the batch."""
        return DescriptorDistance(self.originals[rows])
