"""Noise: what a sensor, a screen shot or a malicious searcher adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise, the same for every photo of one size, then clamp to [0, 1].

    Attributes:
        sigma: standard deviation in 1/255, 0 to 128.
        seed: of the noise.
    """

    sigma: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= 128:
            raise ValueError(f"noise takes a sigma of 0 to 128 in 1/255: {self.sigma}")

    @property
    def name(self) -> str:
        """Such as noise:4."""
        return f"noise:{self.sigma:g}"

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to the same shape, differentiable."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(photos.shape[1:], generator=generator)
        return (photos + self.sigma / 255 * noise).clamp(0, 1)

    def real(self, photos: Tensor) -> Tensor:
        """The same, with 8 bits; no gradient."""
        return (self(photos.detach()) * 255).round() / 255
