"""Blur: what soft resampling and filters do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from recessive.transforms.transform import Transform, from_bytes, to_bytes


@dataclass(frozen=True)
class Blur(Transform):
    """Convolution with a Gaussian, truncated at 4 σ, with the border replicated.

    Attributes:
        sigma: σ in pixels, 0.1 to 20.
    """

    word = "blur"
    bounds = 0.1, 20
    figure = r"0\.[1-9][0-9]{0,3}|[1-9](\.[0-9]{1,4})?|1[0-9](\.[0-9]{1,4})?|20(\.0{1,4})?"
    takes = "a sigma of 0.1 to 20 pixels"
    examples = ("blur:1",)

    sigma: float = 1.0

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to the same shape."""
        radius = int(4 * self.sigma + 0.5)
        places = torch.arange(-radius, radius + 1, device=photos.device).to(photos)
        weights = torch.exp(-0.5 * (places / self.sigma).square())
        weights = (weights / weights.sum()).expand(3, 1, -1)
        padded = F.pad(photos, (radius,) * 4, mode="replicate")
        return F.conv2d(F.conv2d(padded, weights[:, :, None], groups=3), weights[..., None], groups=3)

    def real(self, photos: Tensor) -> Tensor:
        """Pillow's Gaussian blur, which is three box filters."""
        blurred = [Image.fromarray(a).filter(ImageFilter.GaussianBlur(self.sigma)) for a in to_bytes(photos)]
        return from_bytes([np.asarray(photo) for photo in blurred])
