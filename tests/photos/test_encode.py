from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, JpegImagePlugin

from recessive.photos import OutputSettings, PhotoError, decode_photo, encode_photo, output_settings


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
