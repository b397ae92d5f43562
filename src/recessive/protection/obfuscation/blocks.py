"""The size of blocks."""

from __future__ import annotations

from torch import Tensor


def block_side(photos: Tensor, share: float) -> int:
    """The side of square blocks in pixels: a share of the photos' shorter side, rounded, at least 2.

    A share makes one constant hide as much at every photo size; blocks of 1 pixel would hide nothing.
    """
    return max(2, round(share * min(photos.shape[-2:])))
