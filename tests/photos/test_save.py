"""Photos to bytes and to files."""

import errno
import os
import resource
import stat
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, JpegImagePlugin

from recessive.photos import (
    OutputSettings,
    PhotoError,
    decode_photo,
    encode_photo,
    output_settings,
    read_photo,
    save_photo,
)


def photo_of(values: np.ndarray):
    out = BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return decode_photo(out.getvalue())


@st.composite
def any_levels(draw):
    height, width = draw(st.integers(1, 17)), draw(st.integers(1, 17))
    channels = draw(st.sampled_from([(), (2,), (3,), (4,)]))
    return draw(arrays.arrays(np.uint8, (height, width, *channels)))


@settings(max_examples=60, deadline=None)
@given(any_levels(), st.sampled_from(["PNG", "TIFF", "WEBP"]))
def test_lossless_formats_give_back_every_level(values, format_):
    photo = photo_of(values)
    again = decode_photo(encode_photo(photo, photo.pixels, format=format_))
    assert again.format == format_
    assert again.lossless
    assert torch.equal(again.pixels, photo.pixels)
    assert (again.alpha is None) == (photo.alpha is None)
    if photo.alpha is not None:
        assert torch.equal(again.alpha, photo.alpha)


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.float32, (3, 5, 4), elements=st.floats(-0.5, 1.5, width=32)))
def test_pixels_are_rounded_to_the_grid(values):
    photo = photo_of(np.zeros((5, 4, 3), np.uint8))
    pixels = torch.from_numpy(values)
    again = decode_photo(encode_photo(photo, pixels)).pixels
    assert torch.equal(again, (pixels.clamp(0, 1) * 255).round() / 255)


def test_gradients_and_other_dtypes_are_no_obstacle(scene):
    photo = photo_of(scene)
    for pixels in (
        photo.pixels.double(),
        photo.pixels.clone().requires_grad_(),
        photo.pixels.flip(2).flip(2),
    ):
        assert torch.equal(decode_photo(encode_photo(photo, pixels)).pixels, photo.pixels)


@pytest.mark.parametrize("format_", ["JPEG", "WEBP", "AVIF", "HEIF"])
def test_lossy_defaults_keep_a_small_change(format_, as_file):
    # Smooth colours with a change of 8 levels in random blocks of 4 x 4, as large photos get it.
    y, x = np.mgrid[0:64, 0:64]
    values = np.stack([60 + x * 2, 60 + y * 2, 190 - x - y], axis=-1).astype(np.uint8)
    photo = decode_photo(as_file(values, "JPEG", quality=60))
    blocks = torch.randint(0, 2, (3, 16, 16), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    change = blocks.repeat_interleave(4, 1).repeat_interleave(4, 2) * 8 / 255
    again = decode_photo(encode_photo(photo, photo.pixels + change, format=format_)).pixels
    kept = ((again - photo.pixels) * change).sum() / (change * change).sum()
    assert kept > (0.9 if format_ != "WEBP" else 0.6)  # WebP stores colour at half resolution


def test_jpeg_gets_the_quality_of_the_input_but_at_least_90(scene, as_file):
    for quality, expected in ((40, 90), (90, 90), (97, 97)):
        photo = decode_photo(as_file(scene, "JPEG", quality=quality, subsampling=2))
        assert output_settings(photo) == OutputSettings("JPEG", expected, lossy=True, subsampling="4:4:4")
        saved = encode_photo(photo, photo.pixels)
        assert decode_photo(saved).jpeg_quality == expected
        assert JpegImagePlugin.get_sampling(Image.open(BytesIO(saved))) == 0  # 4:4:4
    assert decode_photo(encode_photo(photo, photo.pixels, quality=50)).jpeg_quality == 50


def test_settings_are_those_of_the_file(scene, as_file):
    lossless, lossy = photo_of(scene), decode_photo(as_file(scene, "JPEG"))
    assert output_settings(lossless) == OutputSettings("PNG", None, lossy=False, subsampling=None)
    assert output_settings(lossy, format="tif", quality=5) == OutputSettings(
        "TIFF", None, lossy=False, subsampling=None
    )
    assert output_settings(lossless, format=".webp") == OutputSettings("WEBP", None, lossy=False, subsampling=None)
    assert output_settings(lossless, format="webp", quality=80) == OutputSettings(
        "WEBP", 80, lossy=True, subsampling="4:2:0"
    )
    assert output_settings(lossy, format="webp") == OutputSettings("WEBP", 95, lossy=True, subsampling="4:2:0")
    assert output_settings(lossy, format="heic") == OutputSettings("HEIF", 95, lossy=True, subsampling="4:4:4")
    assert output_settings(lossy, format="AVIF") == OutputSettings("AVIF", 95, lossy=True, subsampling="4:4:4")
    for photo in (lossless, lossy):
        for format_, quality in (("webp", None), ("webp", 100), ("png", None)):
            saved = decode_photo(encode_photo(photo, photo.pixels, format=format_, quality=quality))
            assert saved.lossless != output_settings(photo, format=format_, quality=quality).lossy


def test_transparent_photo_as_jpeg(scene):
    glass = photo_of(np.dstack([scene, scene[..., 1]]))
    with pytest.raises(PhotoError, match="partly transparent, which JPEG cannot hold; choose PNG, WebP or TIFF"):
        encode_photo(glass, glass.pixels, format="jpg")
    opaque = photo_of(np.dstack([scene, np.full_like(scene[..., 1], 255)]))
    assert decode_photo(encode_photo(opaque, opaque.pixels, format="jpg")).alpha is None


@pytest.mark.parametrize("format_", ["AVIF", "HEIF"])
def test_transparency_in_the_other_formats(format_, scene):
    glass = photo_of(np.dstack([scene, scene[..., 1]]))
    again = decode_photo(encode_photo(glass, glass.pixels, format=format_))
    assert (again.alpha - glass.alpha).abs().mean() < 0.02


def test_photo_longer_than_the_format_allows():
    photo = photo_of(np.zeros((1, 16_384), np.uint8))
    with pytest.raises(PhotoError, match="too long for WEBP"):
        encode_photo(photo, photo.pixels, format="webp")
    longest = photo_of(np.zeros((1, 65_536), np.uint8))
    with pytest.raises(PhotoError, match="too long for JPEG"):
        encode_photo(longest, longest.pixels, format="jpeg")


def test_encoder_failures_are_one_clear_line(scene, monkeypatch):
    photo = photo_of(scene)

    def fail(*_args, **_options):
        raise OSError("encoder error -2\nwhen writing")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(PhotoError, match=r"^photo: cannot be written as PNG: encoder error -2 when writing$"):
        encode_photo(photo, photo.pixels)


def test_wrong_arguments(scene):
    photo = photo_of(scene)
    with pytest.raises(ValueError, match="pixels are"):
        encode_photo(photo, photo.pixels[:, 1:])
    with pytest.raises(ValueError, match="finite"):
        encode_photo(photo, photo.pixels * float("nan"))
    for quality in (0, 101):
        with pytest.raises(ValueError, match="within 1 and 100"):
            output_settings(photo, quality=quality)
    with pytest.raises(ValueError, match="unknown photo format 'gif': choose one of JPEG, PNG"):
        encode_photo(photo, photo.pixels, format="gif")


@pytest.fixture
def photo(scene, as_file):
    return decode_photo(as_file(scene, "PNG"), "scene.png")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF", ".webp"])
def test_what_is_read_again_is_what_was_saved(suffix, photo, tmp_path):
    path = tmp_path / f"out{suffix}"
    assert save_photo(photo, 1 - photo.pixels, path) == path
    assert torch.equal(read_photo(path).pixels, ((1 - photo.pixels) * 255).round() / 255)
    assert read_photo(path).notes == ()
    assert list(tmp_path.iterdir()) == [path]


def test_format_follows_the_name_else_the_photo(photo, tmp_path):
    assert read_photo(save_photo(photo, photo.pixels, tmp_path / "a.jpg")).format == "JPEG"
    assert read_photo(save_photo(photo, photo.pixels, str(tmp_path / "b"))).format == "PNG"
    assert read_photo(save_photo(photo, photo.pixels, tmp_path / "c", format="jpg")).format == "JPEG"
    with pytest.raises(PhotoError, match="is named as PNG but would be written as JPEG"):
        save_photo(photo, photo.pixels, tmp_path / "d.png", format="jpeg")


def test_permissions_are_the_usual_ones(photo, tmp_path):
    before = os.umask(0o027)
    try:
        path = save_photo(photo, photo.pixels, tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_existing_files_are_left_alone(photo, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    with pytest.raises(PhotoError, match="exists already; choose another name or ask to overwrite"):
        save_photo(photo, photo.pixels, path)
    assert path.read_bytes() == b"precious"
    save_photo(photo, photo.pixels, path, overwrite=True)
    assert torch.equal(read_photo(path).pixels, photo.pixels)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("hard_links", [True, False])
def test_file_that_appears_meanwhile_is_left_alone(hard_links, photo, tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    fsync = os.fsync

    def slow(descriptor):
        path.write_bytes(b"precious")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    if not hard_links:
        monkeypatch.setattr(os, "link", refuse_links)
    with pytest.raises(PhotoError, match="exists already"):
        save_photo(photo, photo.pixels, path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def refuse_links(*_args, **_options):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_folders_without_hard_links(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    path = save_photo(photo, photo.pixels, tmp_path / "a.png")
    assert torch.equal(read_photo(path).pixels, photo.pixels)
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_leaves_nothing(photo, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(PhotoError, match="cannot be written: File too large"):
            save_photo(photo, photo.pixels, tmp_path / "a.png")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["fsync", "link"])
def test_interruption_leaves_nothing(failing, photo, tmp_path, monkeypatch):
    def interrupt(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, failing, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_photo(photo, photo.pixels, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_failed_last_step_frees_the_name(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)

    def fail(*_args, **_options):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PhotoError, match="cannot be written: Input/output error"):
        save_photo(photo, photo.pixels, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(photo, tmp_path):
    with pytest.raises(PhotoError, match="its folder does not exist"):
        save_photo(photo, photo.pixels, tmp_path / "missing" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PhotoError, match="exists already"):
        save_photo(photo, photo.pixels, tmp_path / "folder.png")
    with pytest.raises(PhotoError, match="cannot be written: Is a directory"):
        save_photo(photo, photo.pixels, tmp_path / "folder.png", overwrite=True)
    with pytest.raises(PhotoError, match="cannot be written: File name too long"):
        save_photo(photo, photo.pixels, tmp_path / ("a" * 300 + ".png"))
