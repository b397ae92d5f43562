"""The contact sheet: one picture that shows the owner what was done to a photo, and what searches find of it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import PurePath

from PIL import Image, ImageDraw
from torch import Tensor

from recessive.exposure import FIRST_RESULTS, EncoderAudit
from recessive.reports import drawing
from recessive.reports.drawing import MUTED, Colour, fitted, width, wrapped, write
from recessive.reports.insight import Insight, Result
from recessive.reports.protect_report import ProtectReport

_WIDTH, _MARGIN, _GAP = 1600, 48, 24
_INNER = _WIDTH - 2 * _MARGIN
_TALLEST = 480  # pixels, for a picture of the photo
_LABEL, _TILE_GAP = 226, 12
_TILE = (_INNER - _LABEL - (FIRST_RESULTS - 1) * _TILE_GAP) // FIRST_RESULTS
_UPLOAD = (200, 16, 46)
HIDDEN: Colour = (0, 84, 147)
FOUND: Colour = (165, 42, 0)
RULE: Colour = (216, 221, 228)
_GROUNDS: dict[bool, Colour] = {True: (225, 238, 249), False: (252, 231, 219)}
_HEAD, _ROW, _FIELD_GAP = 48, 41, 8
_NAME, _SEEN, _FIXED, _WIDEST = 240, 140, 550, 150  # widths: two columns, all columns before "the saved file", a field


def contact_sheet(original: Tensor, protected: Tensor, report: ProtectReport, insight: Insight) -> bytes:
    """Draw the protected photo, where it was changed, what an encoder looks at, search results, and the verdicts.

    All pictures of the photo are made of the protected pixels. The sheet shows nothing of the original but its heat
    map, and how strongly small areas were changed, without the sign; and nothing of the paths but the file's name.

    Args:
        original: (3, H, W) in [0, 1].
        protected: the protected photo as read from its file, of the same size.
        report: the report of its protection.
        insight: the result of `explain` for the same photos.

    Returns:
        A PNG file that is 1600 pixels wide, and as tall as necessary.

    Raises:
        ValueError: if sizes differ.
    """
    if original.shape != protected.shape:
        raise ValueError(f"the photos differ in size: {tuple(original.shape)} and {tuple(protected.shape)}")
    photo = drawing.picture(protected)
    sections = [
        _head(report),
        _photos(photo, drawing.changes(original, protected), insight),
        _searches(drawing.resized(photo, _within(photo.size, (4 * _TILE, 4 * _TILE))), insight),
        _titled("What each encoder finds", table(report.per_encoder, _INNER)),
        *([_paragraph(report.notes)] if report.notes else []),
    ]
    height = 2 * _MARGIN + sum(section.height for section in sections) + 36 * (len(sections) - 1)
    sheet, _ = _blank((_WIDTH, height))
    top = _MARGIN
    for section in sections:
        sheet.paste(section, (_MARGIN, top))
        top += section.height + 36
    file = BytesIO()
    sheet.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _blank(size: drawing.Size) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", size, "white")
    return image, ImageDraw.Draw(image)


def _titled(title: str, body: Image.Image) -> Image.Image:
    """A section with a rule and a title above it."""
    section, draw = _blank((_INNER, body.height + 64))
    draw.line((0, 0, _INNER, 0), fill=RULE, width=2)
    write(draw, (0, 16), title, 23, bold=True)
    section.paste(body, (0, 64))
    return section


def _paragraph(texts: Sequence[str], size: int = 17) -> Image.Image:
    lines = [line for text in texts for line in wrapped(text, size, _INNER)]
    image, draw = _blank((_INNER, len(lines) * (size + 8)))
    for row, line in enumerate(lines):
        write(draw, (0, row * (size + 8)), line, size)
    return image


def _head(report: ProtectReport) -> Image.Image:
    """The name of the photo, the verdict in short and in words, and the figures."""
    words = _paragraph([report.verdict], 19)
    ssim = "none, the photo is too small" if report.ssim is None else f"{report.ssim:.3f}"
    figures = f"SSIM {ssim}   ·   largest change {report.linf:g}/255   ·   {report.width} by {report.height} pixels"
    method = f"{report.method}, budget {report.budget:g}/255, {report.steps} steps, {report.seconds:.1f} s"
    image, draw = _blank((_INNER, 150 + words.height))
    write(draw, (0, 0), fitted(PurePath(report.output).name, 36, _INNER), 36, bold=True)
    place = 0
    for text, hidden in _in_short(report):
        wide = 56 + round(width(text, 16))
        image.paste(status((wide, 38), text, good=hidden), (place, 58))
        place += wide + 12
    image.paste(words, (0, 114))
    write(draw, (0, 124 + words.height), f"{figures}   ·   {method}", 17, colour=MUTED)
    return image


def _in_short(report: ProtectReport) -> list[tuple[str, bool]]:
    """The verdict for the encoders that the photo was optimised against, and for the others, if there are any."""
    said = []
    for hidden, seen in ((report.hidden, True), (report.hidden_unseen, False)):
        if hidden is None:
            continue
        entries = [entry for entry in report.per_encoder if entry.seen == seen]
        plural = "" if len(entries) == 1 else "s"
        whose = f"encoder{plural} it was optimised against" if seen else f"other encoder{plural}"
        found = sum(not entry.hidden for entry in entries)
        text = f"hidden from {len(entries)} {whose}" if hidden else f"found by {found} of {len(entries)} {whose}"
        said.append((text, hidden))
    return said


def _within(size: drawing.Size, most: drawing.Size) -> drawing.Size:
    """The largest size of the same shape that fits."""
    factor = min(most[0] / size[0], most[1] / size[1])
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _photos(photo: Image.Image, changes: Image.Image, insight: Insight) -> Image.Image:
    """The photo, its changes and both heat maps: side by side, or below each other if the photo is wide."""
    ratio = photo.width / photo.height
    columns = 4 if ratio < 2.2 else 2 if ratio < 5 else 1
    wide = (_INNER - (columns - 1) * _GAP) // columns
    size = _within(photo.size, (wide, _TALLEST))
    panels = [
        ("The protected photo", drawing.resized(photo, size), None),
        ("Where it was changed", changes.resize(size, Image.Resampling.BICUBIC), drawing.CHANGES),
        (f"Before: what {insight.encoder} looks at", drawing.heated(photo, insight.heat.before, size), drawing.HEATS),
        ("After: what is left of that", drawing.heated(photo, insight.heat.after, size), drawing.HEATS),
    ]
    tall = size[1] + 78
    image, draw = _blank((_INNER, tall * (4 // columns) - 20))
    for number, (title, panel, steps) in enumerate(panels):
        left, top = number % columns * (wide + _GAP), number // columns * tall
        write(draw, (left, top), fitted(title, 18, wide), 18, bold=True)
        image.paste(panel, (left, top + 30))
        if steps:
            under = top + 36 + size[1]
            image.paste(drawing.scale(steps, (120, 10)), (left + 40, under + 5))
            write(draw, (left, under), "little", 15, colour=MUTED)
            write(draw, (left + 168, under), "much", 15, colour=MUTED)
    return image


def _searches(photo: Image.Image, insight: Insight) -> Image.Image:
    """The first results before and after protection, in one row each."""
    search = insight.search
    rows = [
        ("Without protection", search.rank_before, search.before),
        ("With protection", search.rank_after, search.after),
    ]
    tall = round(_TILE * min(max(photo.height / photo.width, 0.75), 1.25))
    image, draw = _blank((_INNER, 2 * (tall + 34) + _GAP))
    for row, (title, rank, results) in enumerate(rows):
        top = row * (tall + 34 + _GAP)
        hidden = rank > FIRST_RESULTS
        write(draw, (0, top), title, 18, bold=True)
        image.paste(status((_LABEL - 30, 34), "not shown" if hidden else "FOUND", good=hidden), (0, top + 30))
        write(draw, (0, top + 76), f"rank {rank:,} of {search.photos:,}", 17, colour=HIDDEN if hidden else FOUND)
        for result in results:
            left = _LABEL + (result.rank - 1) * (_TILE + _TILE_GAP)
            image.paste(_tile(photo, result, (_TILE, tall)), (left, top))
            words = {"photo": "the upload", "part": "same motif", "other": "another photo"}[result.kind]
            write(draw, (left + _TILE / 2, top + tall + 8), words, 15, colour=MUTED, anchor="ma")
    return _titled(f"What {insight.encoder} returns when somebody searches with the original", image)


def _tile(photo: Image.Image, result: Result, size: drawing.Size) -> Image.Image:
    """One result with its rank; the upload has a red frame."""
    upload = result.kind == "photo"
    if result.kind == "other":
        tile = drawing.stand_in(size)
    else:
        tile = drawing.covering(photo, size, result.box or (0, 0, 1, 1), mirrored=result.mirrored)
    draw = ImageDraw.Draw(tile)
    if upload:
        draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=_UPLOAD, width=6)
        draw.rectangle((0, size[1] - 30, size[0], size[1]), fill=_UPLOAD)
        write(draw, (size[0] / 2, size[1] - 15), "FOUND", 18, colour=(255, 255, 255), bold=True, anchor="mm")
    draw.rounded_rectangle((0, 0, 27, 23), 4, fill=_UPLOAD if upload else (60, 66, 76))
    write(draw, (14, 12), f"{result.rank}", 15, colour=(255, 255, 255), bold=True, anchor="mm")
    return tile


def status(size: tuple[int, int], words: str, *, good: bool) -> Image.Image:
    """A field that tells a status by words, by a mark, and by its colour, blue or orange."""
    field, draw = _blank(size)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 5, fill=_GROUNDS[good])
    colour, side = HIDDEN if good else FOUND, size[1] // 2
    sign = drawing.mark(good=good, side=side, colour=colour)
    field.paste(sign, (10, (size[1] - side) // 2), sign)
    word = fitted(words, 16, size[0] - side - 22)
    write(draw, (16 + side, size[1] / 2), word, 16, colour=colour, bold=True, anchor="lm")
    return field


def table(entries: Sequence[EncoderAudit], wide: int) -> Image.Image:
    """Draw what each encoder finds: one row per encoder, one column for the saved file and for each transform.

    Args:
        entries: `per_encoder` of a report.
        wide: the width of the image, in pixels.
    """
    transforms = list(dict.fromkeys(name for entry in entries for name in entry.survives))
    column = min(_WIDEST, (wide - _FIXED) // (1 + len(transforms)))
    heads = [("", "encoder"), ("optimised", "against"), ("rank in", "the search"), ("the saved", "file")]
    heads += [("after", name) for name in transforms]
    places = [0, _NAME, _NAME + _SEEN, *(_FIXED + column * i for i in range(1 + len(transforms)))]
    image, draw = _blank((wide, _HEAD + _ROW * len(entries)))
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
