"""Whatever bytes come, only `PhotoError` goes."""

import random
import struct
import zlib

import pytest
from PIL import Image

from recessive.photos import PhotoError, decode_photo, encode_photo, read_photo

KINDS = ["JPEG", "MPO", "PNG", "WEBP", "TIFF", "TIFF-LZW", "AVIF", "HEIF"]


@pytest.fixture
def sample(request, scene, as_file, camera_exif, srgb):
    """A small intact file of each kind, with camera data and profile where they fit."""
    kind = request.param
    if kind == "MPO":
        return as_file(scene, "MPO", save_all=True, append_images=[Image.fromarray(scene)])
    if kind == "TIFF-LZW":
        return as_file(Image.fromarray(scene).convert("CMYK"), "TIFF", compression="tiff_lzw")
    photo = decode_photo(as_file(scene, "PNG", exif=camera_exif, icc_profile=srgb))
    return encode_photo(photo, photo.pixels, format=kind, keep_location=True)


def outcome(data: bytes) -> bool:
    """Tells whether the bytes are read; anything but success or a clear line fails the test."""
    try:
        photo = decode_photo(data)
    except PhotoError as error:
        line = str(error)
    else:
        line = ""
    if line:
        assert line.startswith("photo: ")
        assert "\n" not in line
        return False
    assert photo.pixels.shape[0] == 3
    assert float(photo.pixels.min()) >= 0
    assert float(photo.pixels.max()) <= 1
    encode_photo(photo, photo.pixels, format="TIFF")
    return True


@pytest.mark.parametrize("sample", KINDS, indirect=True)
def test_every_truncation(sample):
    assert outcome(sample)
    cuts = [1, 4, 8, 11, 12, 13, 20, 30, 64, 100, *range(150, len(sample), max(1, len(sample) // 40))]
    read = [outcome(sample[:cut]) for cut in cuts if cut < len(sample) // 2]
    assert not any(read)
    for cut in (*cuts, len(sample) - 1):
        outcome(sample[:cut])


@pytest.mark.parametrize("sample", KINDS, indirect=True)
def test_flipped_bytes(sample, capfd):
    chance = random.Random(7)  # noqa: S311
    read = 0
    for _ in range(250):
        data = bytearray(sample)
        reach = len(data) if chance.random() < 0.5 else min(len(data), 400)
        for _ in range(chance.choice((1, 1, 2, 8))):
            data[chance.randrange(reach)] = chance.choice((0, 255, chance.randrange(256)))
        if data.startswith(b"\x89PNG") and chance.random() < 0.8:
            data = mended(data)
        read += outcome(bytes(data))
    assert 0 < read < 250
    assert capfd.readouterr().err == ""


def mended(data: bytearray) -> bytearray:
    """Corrects the check sums of a PNG file, so that its damage reaches further than them."""
    at = 8
    while at + 12 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        if at + 12 + size > len(data):
            break
        struct.pack_into(">I", data, at + 8 + size, zlib.crc32(data[at + 4 : at + 8 + size]))
        at += 12 + size
    return data


@pytest.mark.parametrize("sample", KINDS, indirect=True)
def test_only_a_header(sample):
    assert not outcome(sample[:16] + bytes(500))


def test_bytes_without_meaning():
    chance = random.Random(3)  # noqa: S311
    assert not outcome(b"")
    assert not outcome(bytes(1000))
    for signature in (
        b"",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"II*\0",
        b"MM\0*",
    ):
        for _ in range(20):
            assert not outcome(signature + chance.randbytes(300))


def test_cut_file_on_disk_is_one_clear_line(scene, as_file, tmp_path):
    path = tmp_path / "cut.jpg"
    data = as_file(scene, "JPEG", quality=95)
    path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(PhotoError) as raised:
        read_photo(path)
    assert str(raised.value).startswith(f"{path}: is damaged or cut short (JPEG: ")
