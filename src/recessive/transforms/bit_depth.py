"""Bit depth: fewer levels per channel (Xu, Evans, Qi, "Feature squeezing", 2018, section II-C)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.transforms.transform import Transform, round_straight_through, saved


@dataclass(frozen=True)
class BitDepth(Transform):
    """x → round(x (2ᵇ − 1)) / (2ᵇ − 1). With b = 8 this is the grid of every saved photo.

    Attributes:
        bits: b, 1 to 8.
    """

    word = "bit-depth"
    number = int
    bounds = 1, 8
    figure = r"[1-8]"
    takes = "1 to 8 bits per channel"
    examples = ("bit-depth:5",)

    bits: int = 8

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to the same shape, with the gradient of the identity."""
        levels: int = 2**self.bits - 1
        return round_straight_through(photos * levels) / levels

    def real(self, photos: Tensor) -> Tensor:
        """The same, saved with 8 bits per channel, without a gradient."""
        levels: int = 2**self.bits - 1
        return saved((photos * levels).round() / levels)
