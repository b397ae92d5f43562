"""Noise: what sensors, screenshots and searchers add."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.transforms.transform import Transform, saved


@dataclass(frozen=True)
class Noise(Transform):
    """Adds Gaussian noise, the same to all photos of one size, then clamps to [0, 1].

    The real operation draws different noise than the differentiable one: otherwise a photo could be fitted to the very
    noise that it is tested with.

    Attributes:
        sigma: standard deviation in 1/255, 0 to 128.
        seed: the seed of the noise, not negative.
    """

    word = "noise"
    bounds = 0, 128
    figure = r"[1-9]?[0-9](\.[0-9]{1,4})?|1[01][0-9](\.[0-9]{1,4})?|12[0-7](\.[0-9]{1,4})?|128(\.0{1,4})?"
    takes = "a sigma of 0 to 128 in 1/255"
    examples = ("noise:4",)

    sigma: float = 4.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0:
            raise ValueError(f"a seed must not be negative: {self.seed}")

    def _add(self, photos: Tensor, seed: int) -> Tensor:
        noise = torch.randn(photos.shape[1:], generator=torch.Generator().manual_seed(seed)).to(photos)
        return (photos + self.sigma / 255 * noise).clamp(0, 1)

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to the same shape."""
        return self._add(photos, 2 * self.seed)

    def real(self, photos: Tensor) -> Tensor:
        """The same with other noise, saved with 8 bits per channel, without a gradient."""
        return saved(self._add(photos, 2 * self.seed + 1))
