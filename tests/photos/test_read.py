import os
import struct
import subprocess
import sys
import warnings
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image, ImageOps

from recessive.photos import PhotoError, decode_photo, encode_photo, read_photo
from recessive.photos import read as read_module


def levels(pixels):
    return (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("format_", "options"),
    [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True})],
)
def test_lossless_files_are_read_to_the_bit(format_, options, scene, as_file, tmp_path):
    path = tmp_path / f"scene.{format_.lower()}"
    path.write_bytes(as_file(scene, format_, **options))
    photo = read_photo(path)
    assert photo.path == path
    assert photo.format == format_
    assert photo.pixels.dtype == torch.float32
    assert photo.pixels.is_contiguous()
    assert torch.equal(photo.pixels, torch.from_numpy(scene).permute(2, 0, 1) / 255)
    assert (photo.alpha, photo.grey, photo.lossless, photo.notes) == (None, False, True, ())


@pytest.mark.parametrize(("format_", "options"), [("JPEG", {"quality": 95}), ("WEBP", {}), ("AVIF", {})])
def test_lossy_files_are_read_nearly(format_, options, scene, as_file):
    photo = decode_photo(as_file(scene, format_, **options))
    assert photo.format == format_
    assert not photo.lossless
    assert np.abs(levels(photo.pixels).astype(int) - scene).mean() < 6
    assert photo.jpeg_quality == (95 if format_ == "JPEG" else None)


def test_lossy_tiff_is_not_called_lossless(scene, as_file):
    assert not decode_photo(as_file(scene, "TIFF", compression="jpeg")).lossless


def test_lossless_webp_with_metadata_is_recognised(scene, as_file, srgb):
    assert decode_photo(as_file(scene, "WEBP", lossless=True, icc_profile=srgb)).lossless
    assert not decode_photo(as_file(scene, "WEBP", icc_profile=srgb)).lossless


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP"])
def test_every_orientation_is_undone(orientation, format_, scene, as_file):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format_ == "WEBP" else {}
    photo = decode_photo(as_file(scene, format_, exif=exif, **options))
    # The camera turned the upright scene into what the file holds; Pillow's own reader is the reference.
    upright = Image.fromarray(scene)
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright))
    assert np.array_equal(levels(photo.pixels), expected)
    again = decode_photo(encode_photo(photo, photo.pixels))
    assert np.array_equal(levels(again.pixels), expected)


def test_orientation_6_turns_the_left_edge_up(scene, as_file):
    exif = Image.Exif()
    exif[0x0112] = 6  # the row 0 of the file is the right side of the scene
    photo = decode_photo(as_file(scene, "PNG", exif=exif))
    assert photo.pixels.shape == (3, 32, 24)
    assert torch.equal(photo.pixels[:, 0, -1], torch.from_numpy(scene[0, 0]) / 255)
    assert torch.equal(photo.pixels[:, 0, 0], torch.from_numpy(scene[-1, 0]) / 255)


def test_heic_is_read_turned_and_deep(scene):
    out = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    pillow_heif.from_pillow(Image.fromarray(scene)).save(out, quality=95, chroma="444", exif=exif.tobytes())
    photo = decode_photo(out.getvalue(), "scene.heic")
    assert photo.format == "HEIF"
    assert photo.notes == ()
    expected = np.asarray(Image.fromarray(scene).transpose(Image.Transpose.ROTATE_270)).astype(int)
    assert np.abs(levels(photo.pixels) - expected).mean() < 4
    deep = BytesIO()
    values = np.repeat(np.linspace(0, 65535, 64 * 64).astype(np.uint16), 3).tobytes()
    pillow_heif.from_bytes("RGB;16", (64, 64), values).save(deep, quality=95)
    photo = decode_photo(deep.getvalue())
    assert any("saved with 8" in note for note in photo.notes)
    assert photo.pixels.max() > 0.95


def test_missing_heif_extra_is_named(monkeypatch, scene, as_file):
    photo = decode_photo(as_file(scene, "PNG"))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PhotoError, match=r'pip install "recessive\[heif\]"'):
        encode_photo(photo, photo.pixels, format="heic")
    with pytest.raises(PhotoError, match=r'pip install "recessive\[heif\]"'):
        decode_photo(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))


def test_phone_jpeg_with_a_second_picture_is_a_jpeg(scene, as_file):
    both = as_file(scene, "MPO", save_all=True, append_images=[Image.fromarray(scene[::2, ::2])])
    photo = decode_photo(both, "phone.jpg")
    assert photo.format == "JPEG"
    assert photo.pixels.shape == (3, 24, 32)
    assert photo.jpeg_quality == 75
    assert photo.notes == ("only the main picture of the file is kept",)


def test_pages_after_the_first_are_noted(scene, as_file):
    photo = decode_photo(as_file(scene, "TIFF", save_all=True, append_images=[Image.fromarray(scene)]))
    assert photo.notes == ("only the first page of the file is kept",)


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF"])
def test_animations_are_refused(format_, scene, as_file):
    frames = as_file(scene, format_, save_all=True, append_images=[Image.fromarray(255 - scene)])
    with pytest.raises(PhotoError, match="is an animation; save one frame"):
        decode_photo(frames)


def test_camera_raw_files_are_refused_not_read_as_their_preview(scene, as_file):
    preview = as_file(scene, "TIFF", tiffinfo={254: 1})
    with pytest.raises(PhotoError, match="camera raw file; export it"):
        decode_photo(preview, "photo.nef")


def test_wrong_suffix_is_read_by_content_and_noted(scene, as_file, tmp_path):
    path = tmp_path / "scene.png"
    path.write_bytes(as_file(scene, "JPEG"))
    photo = read_photo(path)
    assert photo.format == "JPEG"
    assert photo.notes == ("the name says PNG, the content is JPEG",)


def test_reader_warnings_become_notes(scene, as_file, monkeypatch):
    data = as_file(scene, "PNG")
    original = Image.Image.load

    def load(self):
        warnings.warn("something\nodd", UserWarning, stacklevel=2)
        return original(self)

    monkeypatch.setattr(Image.Image, "load", load)
    assert decode_photo(data).notes == ("the PNG reader says: something odd",)


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, bits: int, colour_type: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )


def tiff(width: int, height: int, *, bits=(8, 8, 8), photometric=2, data=bytes(12)) -> bytes:
    tags = [(256, 4, width), (257, 4, height), (259, 3, 1), (262, 3, photometric), (273, 4, 8)]
    tags += [(277, 3, len(bits)), (278, 4, height), (279, 4, len(data))]
    after = 8 + len(data)
    tags.append((258, 3, bits[0] if len(bits) == 1 else 0))
    body = struct.pack("<H", len(tags))
    end = after + 2 + 12 * len(tags) + 4
    for tag, kind, value in sorted(tags):
        if tag == 258 and len(bits) > 1:
            body += struct.pack("<HHII", tag, kind, len(bits), end)
        else:
            body += struct.pack("<HHII", tag, kind, 1, value)
    tail = struct.pack(f"<{len(bits)}H", *bits)
    return b"II*\0" + struct.pack("<I", after) + data + body + bytes(4) + tail


def test_sixteen_bit_rgb_is_noted():
    photo = decode_photo(png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 0, 0x8000, 0xFFFF)))
    assert photo.notes == ("16 bits per channel are saved with 8",)
    assert torch.allclose(photo.pixels.flatten(), torch.tensor([0.0, 128 / 255, 1.0]))


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(format_, as_file):
    values = np.linspace(0, 0xFFFF, 24 * 32).astype(np.uint16).reshape(24, 32)
    photo = decode_photo(as_file(values, format_))
    assert photo.grey
    assert photo.notes == ("16 bits per channel are saved with 8",)
    expected = torch.from_numpy(values.astype(np.float64) / 0xFFFF)
    assert torch.allclose(photo.pixels.double(), expected.expand(3, -1, -1), atol=1e-7)
    again = decode_photo(encode_photo(photo, photo.pixels))
    assert again.grey
    assert torch.equal(again.pixels, (photo.pixels * 255).round() / 255)


def test_twelve_bit_and_wide_grey_tiff(as_file):
    twelve = decode_photo(tiff(2, 1, bits=(12,), photometric=1, data=b"\xff\xf0\x00"))
    assert twelve.pixels[0].tolist() == [[1.0, 0.0]]
    assert twelve.notes == ("12 bits per channel are saved with 8",)
    in_32_bits = decode_photo(as_file(np.array([[0, 0x8000, 0xFFFF]], np.int32), "TIFF"))
    assert torch.allclose(in_32_bits.pixels[0], torch.tensor([[0.0, 0.5, 1.0]]), atol=1e-4)
    all_32_bits = decode_photo(as_file(np.array([[0, 2**30, 2**31 - 1]], np.int32), "TIFF"))
    assert torch.allclose(all_32_bits.pixels[0], torch.tensor([[0.0, 0.5, 1.0]]), atol=1e-4)


def test_white_is_zero_in_sixteen_bit_tiff():
    photo = decode_photo(tiff(2, 1, bits=(16,), photometric=0, data=struct.pack("<2H", 0, 0xFFFF)))
    assert photo.pixels[0].tolist() == [[1.0, 0.0]]


BOMBS = {
    "png": png(100_000, 20_000, 8, 2, b"\0"),
    "png-below-the-limit-of-pillow": png(11_000, 10_000, 8, 2, b"\0"),
    "tiff": tiff(60_000, 60_000),
    "tiff-below-the-limit-of-pillow": tiff(11_000, 10_000),
    # 16,383 x 12,000 black pixels without loss
    "webp": bytes.fromhex("524946461a000000574542505650384c0e0000002ffeffb70b071011fd0f4444ff03"),
}


def test_bombs_are_refused_before_decoding(tmp_path):
    for name, content in BOMBS.items():
        (tmp_path / name).write_bytes(content)
    # In a process of its own, for its peak memory: any of these would take 300 MB and more if decoded.
    code = (
        "import resource, sys; from recessive.photos import PhotoError, read_photo\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "for path in sys.argv[1:]:\n"
        "    try: read_photo(path)\n"
        "    except PhotoError as error: print(peak() - before, error)\n"
    )
    files = [tmp_path / name for name in BOMBS]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *files], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    assert len(lines) == len(BOMBS)
    for line, path in zip(lines, files, strict=True):
        kilobytes, message = line.split(" ", 1)
        assert int(kilobytes) < 100_000
        assert message.startswith(f"{path}: has ")
        assert message.endswith("megapixels; scale it down first")
    assert run.stderr == ""


def test_limit_is_the_callers(scene, as_file):
    data = as_file(scene, "PNG")
    assert decode_photo(data, max_pixels=24 * 32).pixels.shape == (3, 24, 32)
    with pytest.raises(PhotoError, match=r"has 32 x 24 pixels, more than 0\.000767 megapixels; scale it down"):
        decode_photo(data, max_pixels=24 * 32 - 1)


def test_file_too_large_for_its_pixels_is_not_loaded(tmp_path):
    path = tmp_path / "huge.tif"
    with path.open("wb") as file:
        file.truncate(10 << 30)  # sparse
    with pytest.raises(PhotoError, match="larger than any photo of 100 megapixels can be"):
        read_photo(path)


def test_paths_that_are_no_photos(tmp_path, monkeypatch):
    def problem(path):
        with pytest.raises(PhotoError) as raised:
            read_photo(path)
        assert raised.value.path == Path(path)
        return raised.value.problem

    text = tmp_path / "text.jpg"
    text.write_text("not a photo\n")
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe")
    assert problem(tmp_path / "nothing.jpg") == "does not exist"
    assert problem(text / "below.jpg") == "cannot be read: Not a directory"
    assert problem(tmp_path) == "is a folder; name the photos in it"
    assert problem(tmp_path / "pipe") == "is not a regular file"
    assert problem(tmp_path / "empty.png") == "is empty"
    assert problem(text).startswith("is not a photo in a format that can be read (JPEG, PNG,")
    assert problem("a\0b").startswith("is not a file name")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert problem(text) == "may not be read; check its permissions"


def test_out_of_memory_is_one_line(scene, as_file, monkeypatch):
    def exhausted(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr(read_module, "colours_of", exhausted)
    with pytest.raises(PhotoError, match="needs more memory than there is"):
        decode_photo(as_file(scene, "PNG"))


def test_avif_needs_its_codec(scene, as_file, monkeypatch):
    data = as_file(scene, "AVIF")
    photo = decode_photo(data)
    monkeypatch.setattr("PIL.features.check", lambda name: name != "avif")
    with pytest.raises(PhotoError, match="AVIF photo, which this build of Pillow cannot read"):
        decode_photo(data)
    with pytest.raises(PhotoError, match="cannot be written as AVIF by this build"):
        encode_photo(replace(photo, lossless=True), photo.pixels)
