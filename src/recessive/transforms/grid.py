"""The grid on which a change is made: coarser than a large photo, so that it costs no more than a small one."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def enlarge(change: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarges a change (1, 3, h, w) bilinearly to (1, 3, H, W), so that no value exceeds those of the grid."""
    if change.shape[-2:] == size:
        return change
    return F.interpolate(change, size, mode="bilinear", align_corners=False)


def shrink(pixels: Tensor, grid: int) -> Tensor:
    """Shrinks photos (1, 3, H, W) to `grid` pixels on the long side at most, with 8-bit values."""
    height, width = pixels.shape[-2:]
    scale = grid / max(height, width)
    if scale >= 1:
        return (pixels * 255).round() / 255
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return (F.interpolate(pixels, size, mode="bilinear", antialias=True).clamp(0, 1) * 255).round() / 255


def grey(photos: Tensor) -> Tensor:
    """Replaces the channels by their mean: what a grey file keeps of a change."""
    return photos.mean(dim=1, keepdim=True).expand_as(photos)
