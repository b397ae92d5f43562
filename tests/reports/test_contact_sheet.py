"""The contact sheet: that it is drawn for whatever there is, and what must not be on it."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.exposure import EncoderAudit
from recessive.reports import drawing
from recessive.reports.contact_sheet import contact_sheet, status, table
from recessive.reports.insight import Heat, Insight, Result, Search
from recessive.workflows import ProtectReport

RED = (200, 16, 46)
TRANSFORMS = ("jpeg:75", "jpeg:50", "resize:0.5", "resize:0.75", "crop:0.9", "bit-depth:5", "blur:1", "noise:4")


def entry(name="conv-gem", *, seen=True, rank=500, hidden=True, survives=None):
    return EncoderAudit(name, seen, 0.0, 0.9, 1, rank, 3, 0, 0.4, 2500, hidden, survives or {})


REPORT = ProtectReport(
    input="/home/owner/in/harbour.jpg",
    output="/home/owner/out/harbour.jpg",
    method="vanish",
    encoders=("conv-gem",),
    budget=8.0,
    norm="linf",
    steps=60,
    seconds=8.25,
    width=64,
    height=48,
    linf=9.0,
    psnr=34.5,
    ssim=0.95,
    hidden=True,
    hidden_unseen=False,
    gallery="reference",
    gallery_photos=2500,
    per_encoder=(entry(), entry("depthwise-gem", seen=False, rank=1, hidden=False)),
    keypoints=None,
    verdict="Hidden from the encoders it was optimised against (conv-gem); FOUND by depthwise-gem at rank 1.",
    notes=(),
)


def results(*, found_at=None):
    listed = []
    for rank in range(1, 11):
        kind = "photo" if rank == found_at else "part" if rank < 7 else "other"
        box = (0.2, 0.4, 0.6, 0.6) if kind == "part" else None
        listed.append(Result(rank, kind, box, rank == 2, 0.1 * rank))
    return tuple(listed)


HEAT = Heat(((0.0, 0.5), (1.0, 0.2)), ((0.0, 0.0), (0.1, 0.0)))
INSIGHT = Insight("conv-gem", HEAT, Search(2511, 1, 700, results(found_at=1), results()))


def photo(height=48, width=64, seed=0):
    levels = torch.randint(80, 176, (3, height, width), generator=torch.Generator().manual_seed(seed))
    return levels / 255


def draw(original=None, protected=None, report=REPORT, insight=INSIGHT):
    protected = photo() if protected is None else protected
    return contact_sheet(photo(seed=1) if original is None else original, protected, report, insight)


def opened(sheet):
    return Image.open(io.BytesIO(sheet)).convert("RGB")


def count(image, colour):
    """How many pixels have just this colour."""
    return int((np.asarray(image) == np.array(colour)).all(axis=-1).sum())


def test_it_is_a_plain_png():
    with Image.open(io.BytesIO(draw())) as image:
        image.load()
        assert (image.format, image.mode, image.width) == ("PNG", "RGB", 1600)
        assert 1000 < image.height < 2000
        assert image.info == {}


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (900, 60), (60, 900), (100, 300), (1, 400), (400, 1)])
def test_photos_of_any_shape(size):
    image = opened(draw(photo(*size, seed=1), photo(*size)))
    assert image.width == 1600
    assert image.height < 2600


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (60, 160), (40, 400)])
def test_the_protected_photo_is_on_it_in_its_shape(size):
    green = torch.tensor([10, 200, 30])[:, None, None].expand(3, *size) / 255
    shown = (np.asarray(opened(draw(green, green))) == (10, 200, 30)).all(axis=-1)
    top, left = np.argwhere(shown)[0]
    tall, wide = np.argmin(shown[top:, left]), np.argmin(shown[top, left:])
    assert max(wide, tall) > 350
    assert wide / tall == pytest.approx(size[1] / size[0], rel=0.02)


def test_nothing_of_the_original_but_how_strong_the_change_is_in_places():
    protected = photo()
    change = torch.randint(0, 40, (3, 48, 64), generator=torch.Generator().manual_seed(4)) / 255
    # With the sign, or with the places of the pixels within a cell, the original could be had back.
    assert draw(protected + change, protected) == draw(protected - change, protected)
    rows = torch.arange(48).view(-1, 4).flip(1).flatten()  # cells are 4 × 4 pixels here
    columns = torch.arange(64).view(-1, 4).flip(1).flatten()
    assert draw(protected + change[:, rows][:, :, columns], protected) == draw(protected + change, protected)
    assert draw(protected + 0.5 * change * (torch.arange(64) < 32), protected) != draw(protected + change, protected)


def test_where_a_photo_was_changed():
    protected = photo(96, 128)
    original = protected.clone()
    original[1, :48, 64:] += 0.1
    original[:, 48:, :64] -= 0.05
    levels = np.asarray(drawing.changes(original, protected))
    expected = drawing.colours(np.array([0.0, 1.0, 0.5, 0.0]), drawing.CHANGES).round()
    height, width, _ = levels.shape
    corners = [levels[y, x] for y in (1, height - 2) for x in (1, width - 2)]
    assert np.abs(np.array(corners) - expected).max() <= 1
    assert count(drawing.changes(protected, protected), drawing.CHANGES[0]) == 24 * 32


def test_paths_are_not_on_it():
    named = replace(REPORT, input="in.jpg", output="harbour.jpg", gallery="/srv/secret")
    assert draw(report=named) == draw()
    assert draw(report=replace(REPORT, output="bay.jpg")) != draw()


def test_the_upload_is_framed_where_it_is_found():
    hidden, found = opened(draw()), replace(INSIGHT.search, rank_after=4, after=results(found_at=4))
    shown = opened(draw(insight=replace(INSIGHT, search=found)))
    assert count(hidden, RED) > 1500  # in the first row
    assert count(shown, RED) == pytest.approx(2 * count(hidden, RED), rel=0.1)


def test_hidden_and_found_differ_by_more_than_colour():
    fields = [status((140, 34), "hidden" if good else "found", good=good) for good in (True, False)]
    greys = [np.asarray(field.convert("L"), int) for field in fields]
    written = [grey < 0.75 * grey[2, 70] for grey in greys]  # words and marks, whatever the ground
    assert all(mask.sum() > 100 for mask in written)
    mark = np.s_[:, 10:27]
    assert (written[0][mark] != written[1][mark]).sum() > 20


@pytest.mark.parametrize("transforms", [(), TRANSFORMS[:3], TRANSFORMS])
def test_each_encoder_has_a_field_for_the_file_and_each_transform(transforms):
    survives = {name: number % 3 > 0 for number, name in enumerate(transforms)}
    entries = [
        entry(f"an-encoder-{i}", seen=i < 4, hidden=i != 2, rank=1 + 100 * i, survives=survives) for i in range(9)
    ]
    image = table(entries, 1504)
    assert image.width == 1504
    assert image.height == table(entries[:8], 1504).height + 41
    grounds = {good: status((90, 34), "", good=good).getpixel((80, 5)) for good in (True, False)}
    middle = [np.asarray(image)[48 + 41 * row + 6] for row in range(9)]
    for row, line in enumerate(middle):
        fields = []
        for good in (True, False):
            same = (line == grounds[good]).all(axis=-1)
            fields += [(start, good) for start in np.flatnonzero(same[1:] & ~same[:-1])]
        assert [good for _, good in sorted(fields)] == [row != 2, *survives.values()]


def test_a_rank_that_shares_nothing_is_not_said():
    near = entry("bovw-he", rank=3, hidden=True)
    assert table([near], 1504).tobytes() == table([replace(near, rank_after=9)], 1504).tobytes()
    found = replace(near, hidden=False)
    assert table([found], 1504).tobytes() != table([replace(found, rank_after=9)], 1504).tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden": None, "encoders": (), "steps": 0, "per_encoder": (entry(seen=False),)},
        {"hidden_unseen": None, "per_encoder": (entry(),)},
        {"hidden": None, "hidden_unseen": None, "per_encoder": (), "verdict": "Nobody searched."},
        {"ssim": None, "psnr": None, "linf": 0.0},
        {"notes": ("the photo had transparency, which was kept", "another note " * 40)},
        {"output": "x" * 300 + ".jpg", "verdict": "a" * 4000 + " and more"},
        {"verdict": "FOUND by encoders it was not optimised against. " * 30},
        {"output": "Fotografía 東京 Привет \u202e\x00\n 🎉.jpg"},
    ],
)
def test_reports_of_any_kind(changes):
    image, usual = opened(draw(report=replace(REPORT, **changes))), opened(draw())
    assert image.tobytes() != usual.tobytes()
    # The margins stay free.
    levels = np.asarray(image)
    assert all((edge == 255).all() for edge in (levels[:, :48], levels[:, -48:], levels[:40], levels[-40:]))


def test_a_map_without_places():
    flat = Heat(((0.0,),), ((0.0,),))
    assert opened(draw(insight=replace(INSIGHT, heat=flat))).width == 1600


def test_sizes_that_differ():
    with pytest.raises(ValueError, match="the photos differ in size"):
        draw(photo(48, 64), photo(48, 65))


def test_heat_lies_over_a_grey_photo():
    image = Image.new("RGB", (40, 20), (200, 100, 50))
    levels = np.asarray(drawing.heated(image, ((0.0, 1.0),), (40, 20)), int)
    assert np.ptp(levels[10, 0]) == 0  # grey
    assert levels[10, -1, 0] > levels[10, -1, 2] + 40  # warm
    assert levels[10, -1].sum() > levels[10, 0].sum()  # and lighter


@pytest.mark.parametrize("steps", [drawing.CHANGES, drawing.HEATS])
def test_scales_grow_lighter(steps):
    """So that they can be read without colours."""
    lightness = np.asarray(drawing.scale(steps, (64, 1)).convert("L"), int)[0]
    assert (np.diff(lightness) >= 0).all()
    assert lightness[-1] - lightness[0] > 150


def test_tiles_show_the_part_that_was_found():
    image = Image.new("RGB", (100, 50), "black")
    image.paste("red", (0, 0, 50, 50))
    image.paste("lime", (50, 0, 75, 50))
    tile = drawing.covering(image, (30, 30), (0.5, 0.0, 0.5, 1.0), mirrored=False)
    assert (tile.getpixel((3, 15)), tile.getpixel((26, 15))) == ((0, 255, 0), (0, 0, 0))
    tile = drawing.covering(image, (30, 30), (0.5, 0.0, 0.5, 1.0), mirrored=True)
    assert (tile.getpixel((3, 15)), tile.getpixel((26, 15))) == ((0, 0, 0), (0, 255, 0))
    square = drawing.covering(image, (30, 30), (0.0, 0.0, 1.0, 1.0), mirrored=False)  # its middle
    assert (square.getpixel((3, 15)), square.getpixel((22, 15))) == ((255, 0, 0), (0, 255, 0))


def test_what_the_font_lacks():
    assert drawing.plain("Fotografía Ångström") == "Fotografia Angstrom"
    assert drawing.plain("東京 Привет 🎉") == "?? ?????? ?"
    assert drawing.plain("a\tb\nc\x00\u202e") == "a b c??"


def test_long_text_keeps_both_ends():
    text = "a-very-long-name-of-a-photo" * 5 + "-007.jpg"
    short = drawing.fitted(text, 20, 300)
    start, end = short.split("…")
    assert text.startswith(start)
    assert text.endswith(end)
    assert min(len(start), len(end)) > 8
    assert 270 < drawing.width(short, 20) <= 300
    assert drawing.fitted("short", 20, 300) == "short"
    assert drawing.fitted("wide", 20, 1) == "…"


def test_lines_have_room():
    words = "hidden from encoders that searched with it " * 12 + "x" * 200
    lines = drawing.wrapped(words, 17, 400)
    assert all(drawing.width(line, 17) <= 400 for line in lines)
    assert " ".join(lines[:-1]) == " ".join(words.split()[:-1])
    assert lines[-1].startswith("xxxxx")
    assert drawing.wrapped("", 17, 400) == []
