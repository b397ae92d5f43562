"""The part of a photo in a box of whole pixels."""

from __future__ import annotations

import math

from torch import Tensor


def part_within(photo: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """The pixels of a photo in a box; none of them where the box holds nothing of it, or is not finite.

    The four numbers are rounded to the nearest whole one, halves to the even one, as Pillow's ``crop`` does and with it
    the published evaluations of retrieval; then the box is clipped to the photo, where ``crop`` would add black.

    Args:
        photo: (3, H, W).
        box: left, top, right and bottom, in pixels.

    Returns:
        (3, h, w), a view of the photo.
    """
    left, top, right, bottom = (round(edge) for edge in box) if all(map(math.isfinite, box)) else (0, 0, 0, 0)
    return photo[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
