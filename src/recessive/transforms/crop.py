"""Crop: profile pictures and previews lack the border."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.transforms.transform import Transform, saved


@dataclass(frozen=True)
class Crop(Transform):
    """Keeps the centre of the photo.

    Attributes:
        share: the share of each side to keep, 0.1 to 1.
    """

    word = "crop"
    bounds = 0.1, 1
    figure = r"0\.[1-9][0-9]{0,3}|1(\.0{1,4})?"
    takes = "the share of each side to keep, 0.1 to 1"
    examples = ("crop:0.9",)

    share: float = 0.9

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to (N, 3, ~share H, ~share W)."""
        height, width = photos.shape[-2:]
        kept_height, kept_width = max(1, round(height * self.share)), max(1, round(width * self.share))
        top, left = (height - kept_height) // 2, (width - kept_width) // 2
        return photos[..., top : top + kept_height, left : left + kept_width]

    def real(self, photos: Tensor) -> Tensor:
        """The same, saved with 8 bits per channel, without a gradient."""
        return saved(self(photos))
