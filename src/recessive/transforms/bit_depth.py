"""Bit depth: fewer levels a channel (Xu, Evans, Qi, "Feature squeezing", 2018, section II-C)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from recessive.transforms.rounding import round_straight_through, saved


@dataclass(frozen=True)
class BitDepth:
    """x → round(x (2ᵇ − 1)) / (2ᵇ − 1). At b = 8 it is the grid that every saved photo lies on.

    Attributes:
        bits: b, 1 to 8.
    """

    bits: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 8:
            raise ValueError(f"bit-depth takes 1 to 8 bits: {self.bits}")

    @property
    def name(self) -> str:
        """Such as bit-depth:5."""
        return f"bit-depth:{self.bits}"

    def __call__(self, photos: Tensor) -> Tensor:
        """Photos (N, 3, H, W) to the same shape; the gradient of the identity."""
        levels: int = 2**self.bits - 1
        return round_straight_through(photos * levels) / levels

    def real(self, photos: Tensor) -> Tensor:
        """The same, saved with 8 bits; no gradient."""
        levels: int = 2**self.bits - 1
        return saved((photos * levels).round() / levels)
