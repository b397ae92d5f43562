"""Resize: platforms shrink what is large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from recessive.transforms.rounding import from_bytes, to_bytes


@dataclass(frozen=True)
class Resize:
    """Scale both sides by a factor, antialiased bilinear as in Pillow.

    Attributes:
        factor: 0.05 to 4.
    """

    factor: float = 0.5

    def __post_init__(self) -> None:
        if not 0.05 <= self.factor <= 4:
            raise ValueError(f"resize takes a factor of 0.05 to 4: {self.factor}")

    @property
    def name(self) -> str:
        """Such as resize:0.5."""
        return f"resize:{self.factor:g}"

    def _size(self, photos: Tensor) -> tuple[int, int]:
        height, width = photos.shape[-2:]
        return max(1, round(height * self.factor)), max(1, round(width * self.factor))

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to (N, 3, ~factor H, ~factor W), differentiable."""
        return F.interpolate(photos, self._size(photos), mode="bilinear", antialias=True)

    def real(self, photos: Tensor) -> Tensor:
        """What Pillow makes of them, with 8 bits; no gradient."""
        height, width = self._size(photos)
        resized = [Image.fromarray(a).resize((width, height), Image.Resampling.BILINEAR) for a in to_bytes(photos)]
        return from_bytes([np.asarray(photo) for photo in resized])
