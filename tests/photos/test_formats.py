from io import BytesIO
from pathlib import Path
from typing import get_args

import pytest

from recessive.photos import SUFFIXES, Format, PhotoError, format_named, format_of_path
from recessive.photos.formats import format_of_content, is_lossless_webp


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
