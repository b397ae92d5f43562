"""Transforms: what a platform does to an upload, differentiable where the real thing is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from recessive.transforms.bit_depth import BitDepth
from recessive.transforms.blur import Blur
from recessive.transforms.crop import Crop
from recessive.transforms.jpeg import JPEG
from recessive.transforms.noise import Noise
from recessive.transforms.resize import Resize

__all__ = ["JPEG", "BitDepth", "Blur", "Crop", "Noise", "Resize", "Transform", "parse_transform"]


class Transform(Protocol):
    """Photos (N, 3, H, W) to photos, perhaps of another size."""

    @property
    def name(self) -> str:
        """The word that `parse_transform` reads, such as jpeg:75."""
        ...

    def __call__(self, photos: Tensor) -> Tensor:
        """A differentiable stand-in for the real operation."""
        ...

    def real(self, photos: Tensor) -> Tensor:
        """The real operation, with 8 bits a channel, without a gradient."""
        ...


def _jpeg(value: str) -> JPEG:
    quality, _, subsampling = value.partition(":")
    return JPEG(int(quality), subsampling) if subsampling else JPEG(int(quality))


_BY_WORD: dict[str, tuple[Callable[[str], Transform], str]] = {
    "jpeg": (_jpeg, "a quality of 1 to 100, such as jpeg:75, or jpeg:90:4:4:4 with full colour"),
    "resize": (lambda value: Resize(float(value)), "a factor of 0.05 to 4, such as resize:0.5"),
    "crop": (lambda value: Crop(float(value)), "the share of each side to keep, 0.1 to 1, such as crop:0.9"),
    "bit-depth": (lambda value: BitDepth(int(value)), "1 to 8 bits a channel, such as bit-depth:5"),
    "blur": (lambda value: Blur(float(value)), "a sigma of 0.1 to 20 pixels, such as blur:1"),
    "noise": (lambda value: Noise(float(value)), "a sigma of 0 to 128 in 1/255, such as noise:4"),
}


def parse_transform(text: str) -> Transform:
    """A transform from its word and figure, such as `jpeg:75`.

    Raises:
        ValueError: an unknown word, or a figure out of range; the message lists what there is.
    """
    word, _, value = text.partition(":")
    if word not in _BY_WORD:
        known = "; ".join(f"{name} takes {meaning}" for name, (_, meaning) in _BY_WORD.items())
        raise ValueError(f"no transform is called {text!r}; there are these: {known}")
    build, meaning = _BY_WORD[word]
    try:
        return build(value)
    except ValueError:
        raise ValueError(f"{text!r}: {word} takes {meaning}") from None
