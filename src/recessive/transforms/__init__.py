"""Transforms: what platforms do to uploaded photos.

Each transform is one file with a frozen dataclass that derives from `Transform`. It has two forms: `real` is the
operation that a platform runs, by the same library where there is one (libjpeg, Pillow), and a call is its
differentiable approximation, which a search can optimise through. Their difference is tested.

The class also states how people write it: its word, the regular expression of its figure, what the figure means and the
usual examples. `parse_transform`, the messages, the schema of the HTTP API and the page all come from these, so that a
new transform is one file and one line in `TRANSFORMS`.

`transform` also converts between floats and the 8-bit grid, and between a photo and the coarser grid of a change.
"""

from __future__ import annotations

from recessive.transforms.bit_depth import BitDepth
from recessive.transforms.blur import Blur
from recessive.transforms.crop import Crop
from recessive.transforms.jpeg import JPEG
from recessive.transforms.noise import Noise
from recessive.transforms.resize import Resize
from recessive.transforms.transform import Transform

__all__ = [
    "EXAMPLES",
    "JPEG",
    "TRANSFORMS",
    "BitDepth",
    "Blur",
    "Crop",
    "Noise",
    "Resize",
    "Transform",
    "parse_transform",
    "pattern",
    "usage",
]

TRANSFORMS: tuple[type[Transform], ...] = (
    JPEG,
    Resize,
    Crop,
    BitDepth,
    Blur,
    Noise,
)

EXAMPLES: tuple[str, ...] = tuple(example for kind in TRANSFORMS for example in kind.examples)
"""The usual transforms, as people write them."""


def _usage_of(kind: type[Transform]) -> str:
    return f"{kind.word} takes {kind.takes}, such as {kind.examples[0]}"


def usage() -> str:
    """Returns what each transform takes, as one line of text."""
    return "; ".join(map(_usage_of, TRANSFORMS))


def pattern() -> str:
    """Returns the regular expression of all transforms, in the syntax that Python and JavaScript share.

    It matches figures in plain decimals, without leading zeros and with at most four decimal places, that are in range.
    `parse_transform` also reads other spellings of numbers in range that Python's `int` and `float` read: leading zeros
    and signs, more decimal places, exponents, underscores and surrounding spaces.
    """
    return f"^({'|'.join(f'{kind.word}:({kind.figure})' for kind in TRANSFORMS)})$"


def parse_transform(text: str) -> Transform:
    """Returns the transform that a text such as jpeg:75 names.

    Raises:
        ValueError: if the word is unknown or the figure out of range; the message says what the transforms take.
    """
    word, _, figure = text.partition(":")
    for kind in TRANSFORMS:
        if kind.word == word:
            try:
                return kind.parse(figure)
            except ValueError:
                raise ValueError(f"{text!r}: {_usage_of(kind)}") from None
    raise ValueError(f"no transform is called {text!r}; choose one of these: {usage()}")
