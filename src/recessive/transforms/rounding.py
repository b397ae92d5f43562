"""Conversion between floats and the 8-bit grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def round_straight_through(values: Tensor) -> Tensor:
    """round(values), with the gradient of the identity."""
    return values + (values.round() - values).detach()


def saved(photos: Tensor) -> Tensor:
    """Clamps photos to [0, 1] and rounds them to 8 bits per channel, as a file does, without a gradient."""
    return (photos.detach().clamp(0, 1) * 255).round() / 255


def to_bytes(photos: Tensor) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Photos (N, 3, H, W) in [0, 1] to N arrays (H, W, 3) of uint8."""
    levels = (photos.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(levels.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def from_bytes(arrays: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> Tensor:
    """Arrays (H, W, 3) of uint8 to photos (N, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous().float() / 255
