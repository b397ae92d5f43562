"""The size of a photo from its first bytes, against what Pillow says of the whole file."""

import io
import struct
import time

import numpy as np
import pillow_heif
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from recessive.photos import PhotoError, PhotoHead, file_head, photo_head
from recessive.photos.formats import HEADER

SIDES = (37, 53)
PIXELS = np.random.default_rng(0).integers(0, 256, (SIDES[1], SIDES[0], 4), dtype=np.uint8)


def _encoded(format_, mode="RGB", **options):
    out = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(out, format_, **options)
    return out.getvalue()


def _heic(*sides):
    out = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", sides)).save(out)
    return out.getvalue()


def _exif(size):
    return b"Exif\0\0" + bytes(size)


FILES = {
    "jpeg": ("JPEG", _encoded("JPEG")),
    "jpeg, progressive, grey": ("JPEG", _encoded("JPEG", "L", progressive=True)),
    "jpeg, CMYK": ("JPEG", _encoded("JPEG", "CMYK")),
    "jpeg, much before the pixels": ("JPEG", _encoded("JPEG", exif=_exif(60_000), icc_profile=bytes(200_000))),
    "png": ("PNG", _encoded("PNG", "RGBA")),
    "png, palette": ("PNG", _encoded("PNG", "P")),
    "webp": ("WEBP", _encoded("WEBP")),
    "webp, lossless": ("WEBP", _encoded("WEBP", lossless=True)),
    "webp, transparent": ("WEBP", _encoded("WEBP", "RGBA")),
    "webp, lossless with a profile": ("WEBP", _encoded("WEBP", lossless=True, icc_profile=bytes(200))),
    "tiff, directory first": ("TIFF", _encoded("TIFF")),
    "tiff, directory last": ("TIFF", _encoded("TIFF", compression="tiff_deflate")),
    "tiff, big": ("TIFF", _encoded("TIFF", big_tiff=True)),
    "avif": ("AVIF", _encoded("AVIF")),
    "avif, transparent": ("AVIF", _encoded("AVIF", "RGBA")),
}


@pytest.mark.parametrize("name", FILES)
def test_size_is_known_from_the_first_bytes(name):
    format_, data = FILES[name]
    whole = PhotoHead(format_, *SIDES)
    assert file_head(io.BytesIO(data)) == photo_head(data) == whole
    lengths = [*range(min(2000, len(data))), *range(2000, len(data), 101)]
    known = [photo_head(data[:length]) for length in lengths]
    assert known[:HEADER] == [None] * HEADER
    first = known.index(whole)
    assert set(known[HEADER:first]) <= {PhotoHead(format_)}  # never another size, never a refusal
    assert set(known[first:]) == {whole}
    if name != "tiff, directory last" and "before" not in name:
        assert lengths[first] < 1000  # long before the end of what a camera writes


def test_heic_has_its_coded_size():
    assert photo_head(_heic(128, 96)) == PhotoHead("HEIF", 128, 96)
    assert photo_head(_heic(127, 95)) == PhotoHead("HEIF", 128, 96)  # a crop of which is shown


def test_big_endian_tiff_with_wide_numbers():
    entries = [(254, 4, 0), (256, 4, 640), (257, 3, 480 << 16)]  # a SHORT stands in the first half of its field
    directory = b"".join(struct.pack(">HHII", tag, kind, 1, value) for tag, kind, value in entries)
    data = b"MM\0*" + struct.pack(">IH", 8, len(entries)) + directory + bytes(64)
    assert photo_head(data) == PhotoHead("TIFF", 640, 480)


def test_largest_picture_of_a_container_counts():
    """Phones store a thumbnail and tiles beside the photo, in any order."""
    sizes = [(320, 240), (4032, 3024), (512, 512)]
    ispe = b"".join(struct.pack(">I4sIII", 20, b"ispe", 0, *sides) for sides in sizes)
    ipco = struct.pack(">I4s", 8 + len(ispe), b"ipco") + ispe
    iprp = struct.pack(">I4s", 8 + len(ipco), b"iprp") + ipco
    hdlr = struct.pack(">I4sQ", 16, b"hdlr", 0)
    meta = struct.pack(">I4sI", 12 + len(hdlr) + len(iprp), b"meta", 0) + hdlr + iprp
    ftyp = struct.pack(">I4s4sI4s", 20, b"ftyp", b"heic", 0, b"mif1")
    wide = struct.pack(">I4sQ", 1, b"free", 16 + 40) + bytes(40)
    assert photo_head(ftyp + wide + meta) == PhotoHead("HEIF", 4032, 3024)


PNG = FILES["png"][1]
JPEG = FILES["jpeg"][1]
WEBP = FILES["webp"][1]
HUGE = PNG[:16] + struct.pack(">II", 60_000, 60_000) + PNG[24:]
HEIC = b"\0\0\0\x14ftypheic\0\0\0\0mif1"
ONE_ENTRY = b"II*\0\x08\0\0\0\1\0"
BROKEN = {
    "nothing": (b"", "is empty"),
    "no photo": (b"GIF89a" + bytes(100), "is not a photo in a format that can be read (JPEG, PNG"),
    "text": (b"<html><script>alert(1)</script>" * 9, "is not a photo"),
    "jpeg, pixels before their size": (b"\xff\xd8\xff\xda\0\x08" + bytes(100), "is damaged"),
    "jpeg, end at once": (b"\xff\xd8\xff\xd9" + bytes(100), "is damaged"),
    "jpeg, no width": (b"\xff\xd8\xff\xc0\0\x11\x08\0\x10\0\0" + bytes(100), "is damaged"),
    "png, first chunk another": (PNG[:12] + b"iTXt" + PNG[16:], "is damaged"),
    "png, no height": (PNG[:20] + bytes(4) + PNG[24:], "is damaged"),
    "webp, unknown chunk": (WEBP[:12] + b"ABCD" + WEBP[16:], "is damaged"),
    "webp, no key frame": (WEBP[:23] + bytes(3) + WEBP[26:], "is damaged"),
    "tiff, empty directory": (b"II*\0\x08\0\0\0" + bytes(100), "is damaged"),
    "tiff, sizes of another type": (
        b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHId", 256, 12, 1, 4.0) + bytes(80),
        "is dam",
    ),
    "heif, box shorter than its head": (
        HEIC + b"\0\0\0\x02meta" + bytes(90),
        "is damaged",
    ),
    "heif, part larger than the whole": (
        HEIC + struct.pack(">I4sII4s", 24, b"meta", 0, 400, b"iprp") + bytes(90),
        "is damaged",
    ),
    "heif, nothing listed": (HEIC + b"\0\0\0\x00mdat" + bytes(90), "is damaged"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_begins_no_photo_is_refused(name):
    data, problem = BROKEN[name]
    with pytest.raises(PhotoError, match=r"^photo: ") as refused:
        file_head(io.BytesIO(data))
    assert refused.value.problem.startswith(problem)
    if data:  # and as early
        with pytest.raises(PhotoError):
            photo_head(data)


def test_claimed_size_is_told_and_nothing_is_decoded():
    assert photo_head(HUGE[:HEADER]) == PhotoHead("PNG", 60_000, 60_000)


def test_offset_beyond_any_file():
    data = b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**64 - 1) + bytes(100)
    assert photo_head(data) == PhotoHead("TIFF")
    with pytest.raises(PhotoError, match="cut short"):
        file_head(io.BytesIO(data))


@pytest.mark.parametrize(
    "trap",
    [
        b"\xff\xd8\xff" + b"\xff\xe0\0\x02" * 3_000_000,
        b"\xff\xd8\xff" + b"\xff" * 10_000_000,
        b"\xff\xd8\xff" + bytes(10_000_000),
        HEIC + b"\0\0\0\x08free" * 1_000_000,
        b"II*\0\x08\0\0\0\xff\xff" + b"\0\1\3\0" * 1_000_000,
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**64 - 1) + b"\1\0\3\0" * 1_000_000,
    ],
)
def test_traps_for_the_reader_are_left_early(trap):
    seconds = []
    for _ in range(3):  # in one of them the tests' garbage may be collected
        start = time.thread_time()
        with pytest.raises(PhotoError, match="damaged"):
            photo_head(trap)
        seconds.append(time.thread_time() - start)
    assert min(seconds) < 0.1


@given(st.sampled_from(sorted(FILES)), st.binary(max_size=40), st.integers(0, 200), st.integers(64, 400))
@example("tiff, big", b"\xff" * 8, 8, 400)
def test_damage_ends_in_a_size_or_a_refusal(name, damage, place, length):
    data = FILES[name][1]
    data = (data[:place] + damage + data[place + len(damage) :])[:length]
    for reader in (photo_head, lambda data: file_head(io.BytesIO(data))):
        try:
            head = reader(data)
        except PhotoError:
            continue
        assert head is None or head.width is None or min(head.width, head.height) > 0
