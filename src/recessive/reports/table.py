"""The table on a contact sheet: what each encoder finds, in the saved file and in what platforms make of it."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from recessive.exposure import FIRST_RESULTS, EncoderAudit
from recessive.reports.pictures import mark
from recessive.reports.text import MUTED, Colour, fitted, write

HIDDEN: Colour = (0, 84, 147)
FOUND: Colour = (165, 42, 0)
RULE: Colour = (216, 221, 228)
_GROUNDS: dict[bool, Colour] = {True: (225, 238, 249), False: (252, 231, 219)}
_HEAD, _ROW, _FIELD_GAP = 48, 41, 8
_NAME, _SEEN, _FIXED, _WIDEST = 240, 140, 550, 150  # widths of columns; those before the saved file; of a field


def status(size: tuple[int, int], words: str, *, good: bool) -> Image.Image:
    """A field that says something in words, by a mark, and in blue or orange."""
    field = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(field)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 5, fill=_GROUNDS[good])
    colour, side = HIDDEN if good else FOUND, size[1] // 2
    sign = mark(good=good, side=side, colour=colour)
    field.paste(sign, (10, (size[1] - side) // 2), sign)
    word = fitted(words, 16, size[0] - side - 22)
    write(draw, (16 + side, size[1] / 2), word, 16, colour=colour, bold=True, anchor="lm")
    return field


def table(entries: Sequence[EncoderAudit], wide: int) -> Image.Image:
    """One row an encoder, one column the saved file and each transform that was asked for.

    Args:
        entries: of a report.
        wide: of the image, in pixels.
    """
    transforms = list(dict.fromkeys(name for entry in entries for name in entry.survives))
    column = min(_WIDEST, (wide - _FIXED) // (1 + len(transforms)))
    heads = [("", "encoder"), ("optimised", "against"), ("rank in", "the search"), ("the saved", "file")]
    heads += [("after", name) for name in transforms]
    places = [0, _NAME, _NAME + _SEEN, *(_FIXED + column * i for i in range(1 + len(transforms)))]
    image = Image.new("RGB", (wide, _HEAD + _ROW * len(entries)), "white")
    draw = ImageDraw.Draw(image)
    for (upper, lower), place in zip(heads, places, strict=True):
        write(draw, (place, 0), upper, 15, colour=MUTED)
        write(draw, (place, 20), fitted(lower, 15, column if place >= _FIXED else _SEEN), 15, colour=MUTED)
    for row, entry in enumerate(entries):
        top = _HEAD + row * _ROW
        draw.line((0, top, places[-1] + column - _FIELD_GAP, top), fill=RULE)
        middle = top + _ROW / 2
        write(draw, (0, middle), fitted(entry.name, 17, _NAME - 12), 17, bold=True, anchor="lm")
        write(draw, (_NAME, middle), "yes" if entry.seen else "no", 17, anchor="lm")
        write(draw, (places[2], middle), _rank(entry), 17, anchor="lm")
        verdicts = [entry.hidden, *(entry.survives.get(name) for name in transforms)]
        for place, good in zip(places[3:], verdicts, strict=True):
            if good is not None:
                field = status((column - _FIELD_GAP, _ROW - 7), "hidden" if good else "found", good=good)
                image.paste(field, (place, top + 4))
    return image


def _rank(entry: EncoderAudit) -> str:
    if entry.hidden and entry.rank_after <= FIRST_RESULTS:
        return "shares nothing"  # visual words: no search returns it
    return f"{entry.rank_after:,} of {entry.gallery_photos + 1:,}"
