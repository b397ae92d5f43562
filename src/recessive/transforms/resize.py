"""Resize: platforms shrink large photos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recessive.transforms.transform import Transform, from_bytes, to_bytes

_LOBES = 3


@lru_cache(maxsize=8)
def _weights(old: int, new: int) -> Tensor:
    """The weight of each old sample in each new one: (new, old); each row sums to 1.

    The Lanczos kernel of three lobes, w(t) = sinc(t) sinc(t/3) for |t| < 3, widened by old/new when shrinking to
    prevent aliasing, and truncated at the border.
    """
    scale = old / new
    widened = max(scale, 1.0)
    centres = (np.arange(new)[:, None] + 0.5) * scale
    places = (np.arange(old)[None] + 0.5 - centres) / widened
    weights = np.where(np.abs(places) < _LOBES, np.sinc(places) * np.sinc(places / _LOBES), 0.0)
    return torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).float()


@dataclass(frozen=True)
class Resize(Transform):
    """Scales both sides by a factor with a Lanczos filter, as most platforms do.

    Attributes:
        factor: the factor, 0.05 to 4.
    """

    word = "resize"
    bounds = 0.05, 4
    figure = r"0\.0[5-9][0-9]{0,2}|0\.[1-9][0-9]{0,3}|[1-3](\.[0-9]{1,4})?|4(\.0{1,4})?"
    takes = "a factor of 0.05 to 4"
    examples = ("resize:0.5",)

    factor: float = 0.5

    def _size(self, photos: Tensor) -> tuple[int, int]:
        height, width = photos.shape[-2:]
        return max(1, round(height * self.factor)), max(1, round(width * self.factor))

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to (N, 3, ~factor H, ~factor W)."""
        height, width = self._size(photos)
        rows, columns = _weights(photos.shape[-2], height), _weights(photos.shape[-1], width)
        return (rows.to(photos) @ (photos @ columns.to(photos).T)).clamp(0, 1)

    def real(self, photos: Tensor) -> Tensor:
        """Pillow's resampling."""
        height, width = self._size(photos)
        resized = [Image.fromarray(a).resize((width, height), Image.Resampling.LANCZOS) for a in to_bytes(photos)]
        return from_bytes([np.asarray(photo) for photo in resized])
