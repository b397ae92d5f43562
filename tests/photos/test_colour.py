from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from recessive.photos import PhotoError, decode_photo, encode_photo
from recessive.photos.colour import profile_fits


def levels(pixels):
    return (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("mode", ["1", "L"])
@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_grey_is_three_equal_channels_and_saved_as_grey(mode, format_, scene, as_file):
    image = Image.fromarray(scene).convert(mode)
    photo = decode_photo(as_file(image, format_))
    assert photo.grey
    assert np.array_equal(levels(photo.pixels), np.repeat(np.asarray(image.convert("L"))[..., None], 3, axis=2))
    saved = encode_photo(photo, photo.pixels)
    assert Image.open(BytesIO(saved)).mode == "L"
    assert torch.equal(decode_photo(saved).pixels, photo.pixels)


def test_grey_that_has_become_colour_is_saved_as_colour(scene, as_file, grey_profile):
    photo = decode_photo(as_file(scene[..., 0].copy(), "PNG", icc_profile=grey_profile))
    assert photo.metadata.icc == grey_profile
    pixels = photo.pixels.clone()
    pixels[0, 3, 3] = 1 - pixels[0, 3, 3]
    again = decode_photo(encode_photo(photo, pixels))
    assert not again.grey
    assert torch.equal(again.pixels, (pixels * 255).round() / 255)
    assert again.metadata.icc is None  # a grey profile says nothing about colours
    assert decode_photo(encode_photo(photo, photo.pixels)).metadata.icc == grey_profile


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept_to_the_bit(mode, format_, scene, as_file):
    image = Image.fromarray(np.dstack([scene, scene[..., 1]])).convert(mode)
    photo = decode_photo(as_file(image, "PNG"))
    assert photo.grey == (mode == "LA")
    assert torch.equal(photo.alpha, torch.from_numpy(scene[..., 1].copy()) / 255)
    again = decode_photo(encode_photo(photo, photo.pixels, format=format_))
    assert torch.equal(again.alpha, photo.alpha)
    assert torch.equal(again.pixels, photo.pixels)  # hidden colours too
    assert again.grey == (photo.grey and format_ != "WEBP")


def test_palette_with_and_without_transparency(scene, as_file):
    image = Image.fromarray(scene).quantize(16)
    plain = decode_photo(as_file(image, "PNG"))
    assert plain.alpha is None
    assert np.array_equal(levels(plain.pixels), np.asarray(image.convert("RGB")))
    assert plain.notes == ("the palette is saved as full colour",)
    seen_through = decode_photo(as_file(image, "PNG", transparency=3))
    hidden = np.asarray(image) == 3
    assert np.array_equal(seen_through.alpha.numpy(), np.where(hidden, 0.0, 1.0).astype(np.float32))
    assert np.array_equal(levels(seen_through.pixels)[~hidden], np.asarray(image.convert("RGB"))[~hidden])


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_one_transparent_colour_becomes_alpha(mode, as_file):
    values = {"L": 7, "RGB": (1, 2, 3), "I;16": 700}
    image = Image.new(mode, (4, 2), values[mode])
    image.putpixel((1, 1), {"L": 8, "RGB": (9, 9, 9), "I;16": 701}[mode])
    photo = decode_photo(as_file(image, "PNG", transparency=values[mode]))
    assert photo.alpha.sum() == 1
    assert photo.alpha[1, 1] == 1


def test_cmyk_without_profile(as_file):
    image = Image.new("CMYK", (16, 16), (255, 0, 128, 51))
    for format_, options in (("TIFF", {}), ("JPEG", {"quality": 100, "subsampling": 0})):
        photo = decode_photo(as_file(image, format_, **options))
        # R = (1 - C)(1 - K) and so on
        expected = torch.tensor([0.0, 0.8, (1 - 128 / 255) * 0.8])
        assert torch.allclose(photo.pixels.mean(dim=(1, 2)), expected, atol=0.01)
        assert photo.notes == ("CMYK without a usable profile is converted to sRGB",)
        assert profile_fits(photo.metadata.icc, "RGB")


def test_cmyk_goes_through_its_profile(monkeypatch, as_file, srgb):
    profile = srgb[:16] + b"CMYK" + srgb[20:]
    data = as_file(Image.new("CMYK", (4, 4), (10, 20, 30, 40)), "TIFF", icc_profile=profile)
    # This one only looks like a CMYK profile: littleCMS refuses it.
    assert decode_photo(data).notes == ("CMYK without a usable profile is converted to sRGB",)

    def convert(image, source, target, outputMode):  # noqa: N803
        assert image.mode == "CMYK"
        assert isinstance(source, ImageCms.ImageCmsProfile)
        assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(target))
        return Image.new(outputMode, image.size, (1, 2, 3))

    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    photo = decode_photo(data)
    assert levels(photo.pixels)[0, 0].tolist() == [1, 2, 3]
    assert photo.notes == ("CMYK is converted to sRGB through its profile",)
    assert profile_fits(photo.metadata.icc, "RGB")
    assert decode_photo(encode_photo(photo, photo.pixels)).metadata.icc == photo.metadata.icc


@pytest.mark.parametrize("mode", ["LAB", "F"])
def test_modes_that_are_no_photos(mode, as_file):
    with pytest.raises(PhotoError, match="pixels; save it as RGB with 8 or 16 bits per channel first"):
        decode_photo(as_file(Image.new(mode, (4, 4)), "TIFF"))


def test_negative_pixels(as_file):
    with pytest.raises(PhotoError, match="holds negative pixels"):
        decode_photo(as_file(np.array([[-1, 5]], np.int32), "TIFF"))


def test_ycbcr_tiff(scene, as_file):
    photo = decode_photo(as_file(Image.fromarray(scene).convert("YCbCr"), "TIFF", compression="jpeg", quality=100))
    assert np.abs(levels(photo.pixels).astype(int) - scene).mean() < 3


def test_profile_of_another_colour_space_is_left_out(scene, as_file, grey_profile):
    photo = decode_photo(as_file(scene, "PNG", icc_profile=grey_profile))
    assert photo.metadata.icc is None
    assert photo.notes == ("the colour profile does not fit the photo and is not kept",)
    assert decode_photo(as_file(scene, "PNG", icc_profile=b"junk")).metadata.icc is None
