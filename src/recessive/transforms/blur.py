"""Blur: what a soft resampling or a filter does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from recessive.transforms.rounding import from_bytes, to_bytes


@dataclass(frozen=True)
class Blur:
    """Convolution with a Gaussian, cut at 4 σ, the border repeated.

    Attributes:
        sigma: σ in pixels, 0.1 to 20.
    """

    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.sigma <= 20:
            raise ValueError(f"blur takes a sigma of 0.1 to 20 pixels: {self.sigma}")

    @property
    def name(self) -> str:
        """Such as blur:1."""
        return f"blur:{self.sigma:g}"

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to the same shape, differentiable."""
        radius = int(4 * self.sigma + 0.5)
        places = torch.arange(-radius, radius + 1, device=photos.device).to(photos)
        weights = torch.exp(-0.5 * (places / self.sigma).square())
        weights = (weights / weights.sum()).expand(3, 1, -1)
        padded = F.pad(photos, (radius,) * 4, mode="replicate")
        return F.conv2d(F.conv2d(padded, weights[:, :, None], groups=3), weights[..., None], groups=3)

    def real(self, photos: Tensor) -> Tensor:
        """What Pillow makes of them (three box filters for the Gaussian), with 8 bits; no gradient."""
        blurred = [Image.fromarray(a).filter(ImageFilter.GaussianBlur(self.sigma)) for a in to_bytes(photos)]
        return from_bytes([np.asarray(photo) for photo in blurred])
