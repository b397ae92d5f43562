"""Drawing for the contact sheet: photos, colour maps, marks, and text in the font that comes with Pillow."""

from __future__ import annotations

import unicodedata
from bisect import bisect
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from recessive.reports.insight import Box
from recessive.transforms.transform import shrink

Size = tuple[int, int]
Colour = tuple[int, int, int]

INK: Colour = (27, 31, 38)
MUTED: Colour = (85, 94, 108)
_BOLD = 0.35  # pixels around each stroke: the font has a single weight
# The lightness of both maps increases, so that they can be read without colours.
CHANGES = ((10, 16, 34), (20, 52, 98), (35, 104, 160), (92, 168, 212), (190, 228, 246))
HEATS = ((66, 16, 104), (150, 38, 110), (221, 73, 74), (251, 151, 45), (252, 246, 170))
_CELLS = 96  # along the long side of the map of changes
_SMALLEST_CELL = 4  # pixels
_LONGEST_SIDE = 1600  # pixels of a picture of a photo


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)  # type: ignore[return-value]  # a bitmap font only where FreeType is missing


@cache
def _known(character: str) -> bool:
    """Whether the font has a glyph for a character, other than the box that stands in for missing ones."""
    font = _font(20)
    return bytes(font.getmask(character)) != bytes(font.getmask("\U0010ffff"))


def plain(text: str) -> str:
    """The text as the font can show it: without accents, and with ? for each character that it lacks."""
    letters = []
    for letter in unicodedata.normalize("NFKD", text):
        if unicodedata.category(letter)[0] == "M":
            continue  # an accent, after its letter
        shown = " " if letter.isspace() else letter
        letters.append(shown if shown.isprintable() and _known(shown) else "?")
    return "".join(letters)


def width(text: str, size: int) -> float:
    """The width in pixels of a text that `plain` has returned."""
    return _font(size).getlength(text)


def fitted(text: str, size: int, most: float) -> str:
    """The text, or as much of its beginning and end as fits into `most` pixels."""
    text = plain(text)
    if width(text, size) <= most:
        return text
    shortened = [f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}" for kept in range(len(text))]
    fits = bisect(shortened, most, key=lambda shorter: width(shorter, size))
    return shortened[max(0, fits - 1)]


def wrapped(text: str, size: int, most: float) -> list[str]:
    """The text as lines of at most `most` pixels, broken between words; a longer word is shortened."""
    lines: list[str] = []
    for word in plain(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, size) <= most:
            lines[-1] = longer
        else:
            lines.append(fitted(word, size, most))
    return lines


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    *,
    colour: Colour = INK,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    """Draw one line of text.

    Args:
        draw: the image to draw on.
        place: the position of the anchor.
        text: the text, which is shown as `plain` returns it.
        size: the size of the font, in pixels.
        colour: the colour of the letters.
        bold: whether to thicken the strokes.
        anchor: as in Pillow: la is the top left corner, mm the centre.
    """
    draw.text(place, plain(text), colour, _font(size), anchor, stroke_width=_BOLD if bold else 0, stroke_fill=colour)


def picture(photo: Tensor) -> Image.Image:
    """A photo (3, H, W) in [0, 1] as an image; large ones are shrunk."""
    levels = (shrink(photo[None], _LONGEST_SIDE)[0] * 255).round().byte()
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def resized(image: Image.Image, size: Size) -> Image.Image:
    """An image resized; when it is enlarged a lot, single pixels stay visible."""
    enlarged = size[0] > 3 * image.width
    return image.resize(size, Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS, reducing_gap=3.0)


def covering(image: Image.Image, size: Size, box: Box, *, mirrored: bool) -> Image.Image:
    """The part of an image in a box, scaled to cover a size; what exceeds it on two sides is cropped."""
    left, top, wide, tall = (fraction * side for fraction, side in zip(box, image.size * 2, strict=True))
    kept_wide = min(wide, tall * size[0] / size[1])
    kept_tall = min(tall, wide * size[1] / size[0])
    left, top = left + (wide - kept_wide) / 2, top + (tall - kept_tall) / 2
    edges = (left, top, min(left + kept_wide, image.width), min(top + kept_tall, image.height))
    filled = image.resize(size, Image.Resampling.BICUBIC, box=edges, reducing_gap=2.0)
    return filled.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else filled


def colours(levels: NDArray[np.float64], steps: Sequence[tuple[int, int, int]]) -> NDArray[np.float64]:
    """Map levels in [0, 1] of any shape to colours (…, 3), interpolated between evenly spaced steps."""
    places = np.linspace(0, 1, len(steps))
    return np.stack([np.interp(levels, places, channel) for channel in np.array(steps, float).T], axis=-1)


def changes(original: Tensor, protected: Tensor) -> Image.Image:
    """Map how strongly each place was changed: the mean over cells of |x' − x| in the channel that changed most.

    It shows neither signs nor single pixels, with which the protection could be removed.
    """
    side = max(_SMALLEST_CELL, max(original.shape[1:]) / _CELLS)
    rows, columns = (max(1, round(length / side)) for length in original.shape[1:])
    # In bands, since whole differences of large photos would fill the memory.
    bands = zip(original.tensor_split(rows, 1), protected.tensor_split(rows, 1), strict=True)
    means = torch.stack([(after - before).abs().amax(dim=0).mean(dim=0) for before, after in bands])
    cells = F.adaptive_avg_pool1d(means, columns)
    levels = (cells / cells.max().clamp(min=1e-9)).double().numpy()
    return Image.fromarray(colours(levels, CHANGES).round().astype(np.uint8))


def heated(photo: Image.Image, heat: Sequence[Sequence[float]], size: Size) -> Image.Image:
    """A heat map with values in [0, 1] over a photo in dim grey."""
    grid = Image.fromarray(np.array(heat, np.float32)).resize(size, Image.Resampling.BICUBIC)
    levels = np.asarray(grid, float).clip(0, 1)
    grey = 0.75 * np.asarray(resized(photo.convert("L"), size), float)[..., None]
    share = 0.8 * (levels[..., None] * 2).clip(0, 1)
    mixed = (1 - share) * grey + share * colours(levels, HEATS)
    return Image.fromarray(mixed.round().astype(np.uint8))


def scale(steps: Sequence[tuple[int, int, int]], size: Size) -> Image.Image:
    """The colour scale of a map, from low on the left to high."""
    levels = np.broadcast_to(np.linspace(0, 1, size[0]), size[::-1])
    return Image.fromarray(colours(levels, steps).round().astype(np.uint8))


def stand_in(size: Size) -> Image.Image:
    """A placeholder for a photo whose pixels are unknown: hills under a sun, in grey."""
    wide, tall = (4 * side for side in size)  # drawn large and reduced, for smooth edges
    tile = Image.new("RGB", (wide, tall), (236, 239, 243))
    draw = ImageDraw.Draw(tile)
    unit, x, y = min(wide, tall) / 100, wide / 2, tall / 2
    grey = (198, 204, 212)
    hills = [(-34, 24), (-12, -10), (3, 10), (14, -2), (34, 24)]
    draw.polygon([(x + unit * right, y + unit * down) for right, down in hills], fill=grey)
    draw.ellipse((x + 8 * unit, y - 28 * unit, x + 22 * unit, y - 14 * unit), fill=grey)
    return tile.reduce(4)


def mark(*, good: bool, side: int, colour: Colour) -> Image.Image:
    """A tick, or a cross, on a transparent background."""
    large = Image.new("L", (4 * side, 4 * side))
    draw, unit = ImageDraw.Draw(large), side / 5
    strokes = [[(3, 11), (8, 16), (17, 4)]] if good else [[(4, 4), (16, 16)], [(16, 4), (4, 16)]]
    for stroke in strokes:
        draw.line([(unit * x, unit * y) for x, y in stroke], fill=255, width=round(3 * unit), joint="curve")
    drawn = Image.new("RGBA", (side, side), (*colour, 0))
    drawn.putalpha(large.reduce(4))
    return drawn
