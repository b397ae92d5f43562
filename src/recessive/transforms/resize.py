"""Resize: platforms shrink what is large."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recessive.transforms.rounding import from_bytes, to_bytes

_LOBES = 3


@lru_cache(maxsize=8)
def _weights(old: int, new: int) -> Tensor:
    """What each of the old places gives to each of the new ones: (new, old), rows of sum 1.

    Lanczos of three lobes, w(t) = sinc(t) sinc(t/3) for |t| < 3, widened by old/new when shrinking, so that
    nothing aliases; cut at the border.
    """
    scale = old / new
    widened = max(scale, 1.0)
    centres = (np.arange(new)[:, None] + 0.5) * scale
    places = (np.arange(old)[None] + 0.5 - centres) / widened
    weights = np.where(np.abs(places) < _LOBES, np.sinc(places) * np.sinc(places / _LOBES), 0.0)
    return torch.from_numpy(weights / weights.sum(axis=1, keepdims=True)).float()


@dataclass(frozen=True)
class Resize:
    """Scale both sides by a factor, with Lanczos windows as most platforms do.

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
        height, width = self._size(photos)
        rows, columns = _weights(photos.shape[-2], height), _weights(photos.shape[-1], width)
        return (rows.to(photos) @ (photos @ columns.to(photos).T)).clamp(0, 1)

    def real(self, photos: Tensor) -> Tensor:
        """What Pillow makes of them, with 8 bits; no gradient."""
        height, width = self._size(photos)
        resized = [Image.fromarray(a).resize((width, height), Image.Resampling.LANCZOS) for a in to_bytes(photos)]
        return from_bytes([np.asarray(photo) for photo in resized])
