"""The base class of all transforms, the 8-bit grid, and the coarser grid on which large photos are changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class Transform(ABC):
    """Maps photos (N, 3, H, W) in [0, 1] to photos, possibly of another size.

    A transform is a frozen dataclass whose first field is its figure. People write it as its word, a colon and the
    figure, such as jpeg:75.

    Attributes:
        word: the word before the colon.
        number: int or float, which reads the figure.
        bounds: the smallest and the largest figure.
        figure: regular expression of the figure, in the syntax that Python and JavaScript share.
        takes: what the figure is, in words that follow "jpeg takes".
        examples: the usual transforms of this kind, which the service offers.
    """

    word: ClassVar[str]
    number: ClassVar[Callable[[str], float]] = float
    bounds: ClassVar[tuple[float, float]]
    figure: ClassVar[str]
    takes: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]

    def __post_init__(self) -> None:
        figure = next(iter(vars(self).values()))
        if not self.bounds[0] <= figure <= self.bounds[1]:
            raise ValueError(f"{self.word} takes {self.takes}: {figure}")

    @classmethod
    def parse(cls, figure: str) -> Self:
        """Returns the transform with the figure that people write after the colon.

        Raises:
            ValueError: if the figure is not a number or is out of bounds.
        """
        return cls(cls.number(figure))  # type: ignore[call-arg]

    @property
    def name(self) -> str:
        """The text that `parse_transform` reads, such as jpeg:75."""
        return f"{self.word}:{next(iter(vars(self).values())):g}"

    @abstractmethod
    def __call__(self, photos: Tensor) -> Tensor:
        """A differentiable approximation of the real operation."""

    @abstractmethod
    def real(self, photos: Tensor) -> Tensor:
        """The real operation with 8 bits per channel, without a gradient."""


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
