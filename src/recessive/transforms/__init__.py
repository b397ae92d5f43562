"""Transforms: what a platform does to an upload, differentiable where the real thing is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from recessive.transforms.bit_depth import BitDepth
from recessive.transforms.blur import Blur
from recessive.transforms.crop import Crop
from recessive.transforms.jpeg import JPEG
from recessive.transforms.noise import Noise
from recessive.transforms.resize import Resize

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

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
        """The real operation, without a gradient."""
        ...


_BY_WORD: dict[str, tuple[Callable[[str], Transform], str]] = {
    "jpeg": (lambda value: JPEG(int(value)), "quality, such as jpeg:75"),
    "resize": (lambda value: Resize(float(value)), "factor, such as resize:0.5"),
    "crop": (lambda value: Crop(float(value)), "share of each side that is kept, such as crop:0.9"),
    "bit-depth": (lambda value: BitDepth(int(value)), "bits a channel, such as bit-depth:5"),
    "blur": (lambda value: Blur(float(value)), "sigma in pixels, such as blur:1"),
    "noise": (lambda value: Noise(float(value)), "sigma in 1/255, such as noise:4"),
}


def parse_transform(text: str) -> Transform:
    """A transform from its word and figure, such as `jpeg:75`.

    Raises:
        ValueError: an unknown word, or a figure out of range; the message lists what there is.
    """
    word, _, value = text.partition(":")
    if word not in _BY_WORD:
        known = "; ".join(f"{name}: {meaning}" for name, (_, meaning) in _BY_WORD.items())
        raise ValueError(f"no transform is called {text!r}; there are {known}")
    build, meaning = _BY_WORD[word]
    try:
        return build(value)
    except ValueError as error:
        why = str(error) if str(error).startswith(word) else f"{word} takes a {meaning}"
        raise ValueError(f"{text!r}: {why}") from None
