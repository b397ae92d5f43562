"""Crop: profile pictures and previews cut the border off."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.transforms.rounding import saved


@dataclass(frozen=True)
class Crop:
    """Keep the middle.

    Attributes:
        share: of each side that is kept, 0.1 to 1.
    """

    share: float = 0.9

    def __post_init__(self) -> None:
        if not 0.1 <= self.share <= 1:
            raise ValueError(f"crop takes the share of each side to keep, 0.1 to 1: {self.share}")

    @property
    def name(self) -> str:
        """Such as crop:0.9."""
        return f"crop:{self.share:g}"

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to (N, 3, ~share H, ~share W), differentiable."""
        height, width = photos.shape[-2:]
        kept_height, kept_width = max(1, round(height * self.share)), max(1, round(width * self.share))
        top, left = (height - kept_height) // 2, (width - kept_width) // 2
        return photos[..., top : top + kept_height, left : left + kept_width]

    def real(self, photos: Tensor) -> Tensor:
        """The same, with 8 bits; no gradient."""
        return saved(self(photos))
