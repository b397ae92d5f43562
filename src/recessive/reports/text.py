"""Text on a contact sheet: in Pillow's own font, cut and broken to the width that there is."""

from __future__ import annotations

import unicodedata
from bisect import bisect
from functools import cache

from PIL import ImageFont
from PIL.ImageDraw import ImageDraw
from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int]

INK: Colour = (27, 31, 38)
MUTED: Colour = (85, 94, 108)
_BOLD = 0.35  # pixels around each stroke: the font has one weight


@cache
def _font(size: int) -> FreeTypeFont:
    return ImageFont.load_default(size)  # type: ignore[return-value]  # a bitmap font only where FreeType is missing


@cache
def _known(character: str) -> bool:
    """Whether the font has a sign for it, other than the box that stands for all it lacks."""
    font = _font(20)
    return bytes(font.getmask(character)) != bytes(font.getmask("\U0010ffff"))


def plain(text: str) -> str:
    """Text that the font can show: without accents, and with ? for each sign that it lacks."""
    letters = []
    for letter in unicodedata.normalize("NFKD", text):
        if unicodedata.category(letter)[0] == "M":
            continue  # an accent: the letter came before
        shown = " " if letter.isspace() else letter
        letters.append(shown if shown.isprintable() and _known(shown) else "?")
    return "".join(letters)


def width(text: str, size: int) -> float:
    """In pixels, of a text that `plain` has made."""
    return _font(size).getlength(text)


def fitted(text: str, size: int, most: float) -> str:
    """The text, or as much of its two ends as has room in `most` pixels."""
    text = plain(text)
    if width(text, size) <= most:
        return text
    shortened = [f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}" for kept in range(len(text))]
    fits = bisect(shortened, most, key=lambda shorter: width(shorter, size))
    return shortened[max(0, fits - 1)]


def wrapped(text: str, size: int, most: float) -> list[str]:
    """Lines of at most `most` pixels, broken between words; a word without room is cut."""
    lines: list[str] = []
    for word in plain(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, size) <= most:
            lines[-1] = longer
        else:
            lines.append(fitted(word, size, most))
    return lines


def write(
    draw: ImageDraw,
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
        draw: on what.
        place: of the anchor.
        text: shown as `plain` has it.
        size: of the font, in pixels.
        colour: of the letters.
        bold: with thicker strokes.
        anchor: Pillow's: la is left and top, mm the middle.
    """
    draw.text(place, plain(text), colour, _font(size), anchor, stroke_width=_BOLD if bold else 0, stroke_fill=colour)
