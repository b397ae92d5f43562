"""Noise: what a sensor, a screen shot or a searcher adds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.transforms.rounding import saved


@dataclass(frozen=True)
class Noise:
    """Add Gaussian noise, the same for every photo of one size, then clamp to [0, 1].

    The real operation draws other noise than the differentiable one: a photo optimised against known noise
    would seem to survive what it only fits.

    Attributes:
        sigma: standard deviation in 1/255, 0 to 128.
        seed: of the noise, not negative.
    """

    sigma: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.sigma <= 128:
            raise ValueError(f"noise takes a sigma of 0 to 128 in 1/255: {self.sigma}")
        if self.seed < 0:
            raise ValueError(f"a seed must not be negative: {self.seed}")

    @property
    def name(self) -> str:
        """Such as noise:4."""
        return f"noise:{self.sigma:g}"

    def _add(self, photos: Tensor, seed: int) -> Tensor:
        noise = torch.randn(photos.shape[1:], generator=torch.Generator().manual_seed(seed)).to(photos)
        return (photos + self.sigma / 255 * noise).clamp(0, 1)

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to the same shape, differentiable."""
        return self._add(photos, 2 * self.seed)

    def real(self, photos: Tensor) -> Tensor:
        """The same with noise of its own, and with 8 bits; no gradient."""
        return saved(self._add(photos, 2 * self.seed + 1))
