from io import BytesIO
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from recessive.photos import MEDIA_TYPES, SUFFIXES, Format, PhotoError, format_named, format_of_path
from recessive.photos.formats import format_of_content, is_lossless_webp, jpeg_quality


def test_every_format_has_suffixes_and_names():
    assert set(SUFFIXES) == set(get_args(Format))
    for format_, suffixes in SUFFIXES.items():
        assert format_named(format_) == format_named(format_.lower()) == format_
        for suffix in suffixes:
            assert format_named(suffix) == format_named(suffix[1:].upper()) == format_
            assert format_of_path(Path("a.b") / f"photo{suffix.upper()}") == format_
    assert format_of_path(Path("photo")) is None
    assert format_of_path(Path("photo.gif")) is None


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"heic\0\0\0\0mif1heic", "HEIF"),
        (b"mif1\0\0\0\0mif1heic", "HEIF"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"avif\0\0\0\0mif1miaf", "AVIF"),
        (b"isom\0\0\0\0mp41avc1", None),
        (b"crx \0\0\0\x01crx isom", None),
    ],
)
def test_brands_tell_heic_from_avif_and_films(brands, expected):
    box = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands
    assert format_of_content(box + b"avif" * 4) == expected  # what follows the box is not looked at


def test_webp_without_a_picture_is_not_lossless():
    assert not is_lossless_webp(BytesIO(b"RIFF\x10\0\0\0WEBPEXIF\xff\xff\xff\xff"))


def test_error_is_one_printable_line():
    error = PhotoError(Path("a\n\udcff\x1b[31m.jpg"), "is\n  broken")
    assert str(error) == "a\\n\\xff\\x1b[31m.jpg: is broken"
    assert (error.path.name, error.problem) == ("a\n\udcff\x1b[31m.jpg", "is broken")


def test_each_format_has_a_media_type():
    assert MEDIA_TYPES.keys() == SUFFIXES.keys()
    assert all(name.startswith("image/") for name in MEDIA_TYPES.values())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_quality_of_libjpeg_files_is_exact(mode):
    for quality in range(1, 101):
        out = BytesIO()
        Image.new(mode, (8, 8)).save(out, "JPEG", quality=quality)
        assert jpeg_quality(Image.open(out).quantization) == quality


def test_other_tables_get_the_nearest_quality():
    assert jpeg_quality({0: [1] * 64}) == 100
    assert jpeg_quality({0: [255] * 64}) <= 10
    out = BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", quality=85)
    tables = {number: [max(1, step - 1) for step in table] for number, table in Image.open(out).quantization.items()}
    assert 85 <= jpeg_quality(tables) <= 88


def test_files_without_luminance_table():
    assert jpeg_quality({}) is None
    assert jpeg_quality({1: [16] * 64}) is None
    assert jpeg_quality({0: [16] * 3}) is None
