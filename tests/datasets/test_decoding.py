import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from recessive.datasets import DataError, decoding
from recessive.datasets.decoding import squeezed
from recessive.photos import read_photo

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (30, 40, 3), np.uint8)
SMOOTH = np.asarray(
    Image.fromarray(RNG.integers(0, 256, (6, 8, 3), np.uint8)).resize((400, 300), Image.Resampling.BICUBIC)
)


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def reference(path, size):
    """As `recessive.photos` reads it, resized by Pillow."""
    pixels = (read_photo(path).pixels * 255).round().byte().permute(1, 2, 0).numpy()
    resized = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC))
    return torch.from_numpy(resized.copy()).permute(2, 0, 1)


def test_a_photo_of_that_size_comes_unchanged(tmp_path):
    path = saved(tmp_path / "a.png", NOISE[:, :30])
    assert torch.equal(squeezed(path, 30), torch.from_numpy(NOISE[:, :30].copy()).permute(2, 0, 1))
    assert torch.equal(squeezed(path.read_bytes(), 30), squeezed(path, 30))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_photos_are_turned_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", NOISE, exif=exif)
    assert torch.equal(squeezed(path, 24), reference(path, 24))


def test_grey_photos_have_three_equal_channels(tmp_path):
    path = saved(tmp_path / "a.jpg", NOISE[..., 0])
    photo = squeezed(path, 20)
    assert torch.equal(photo, reference(path, 20))
    assert torch.equal(photo[0], photo[1])
    assert torch.equal(photo[0], photo[2])


@pytest.mark.parametrize("kind", ["profile", "alpha", "palette", "deep", "webp", "broken exif"])
def test_what_is_not_plain_is_read_as_elsewhere(tmp_path, kind):
    path = tmp_path / "a.png"
    if kind == "profile":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
        saved(path := tmp_path / "a.jpg", NOISE, icc_profile=profile)
    elif kind == "alpha":
        saved(path, np.concatenate([NOISE, NOISE[..., :1]], axis=-1))
    elif kind == "palette":
        Image.fromarray(NOISE).quantize(16).save(path)
    elif kind == "deep":
        saved(path, NOISE[..., 0].astype(np.uint16) * 257)
    elif kind == "webp":
        saved(path := tmp_path / "a.webp", NOISE, lossless=True)
    else:
        saved(path := tmp_path / "a.jpg", NOISE, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert torch.equal(squeezed(path, 24), reference(path, 24))


def test_halving_while_decoding_changes_little(tmp_path):
    path = saved(tmp_path / "a.jpg", SMOOTH, quality=95)
    difference = squeezed(path, 32).int() - reference(path, 32).int()
    assert 0 < difference.abs().max() <= 4  # it was halved, and is nearly the same
    assert difference.abs().float().mean() < 1


def test_shrinking_does_not_alias(tmp_path):
    board = np.indices((256, 256)).sum(axis=0).astype(np.uint8) % 2 * 255
    path = saved(tmp_path / "a.png", board)
    assert (squeezed(path, 32).int() - 127).abs().max() <= 2


def test_boxes_are_cut_out_before_squeezing(tmp_path):
    path = saved(tmp_path / "a.jpg", SMOOTH, quality=95)
    upright = Image.open(path)
    expected = np.asarray(upright.resize((16, 16), Image.Resampling.BICUBIC, box=(10.5, 20, 110.25, 220)))
    found = squeezed(path, 16, box=(10.5, 20, 110.25, 220))
    assert torch.equal(found, torch.from_numpy(expected.copy()).permute(2, 0, 1))
    assert torch.equal(squeezed(path, 16, box=(-3, -4, 500, 600)), squeezed(path, 16, box=(0, 0, 400, 300)))
    with pytest.raises(DataError, match=r"a\.jpg: the box 400 0 410 20 holds nothing"):
        squeezed(path, 16, box=(400, 0, 410, 20))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_damaged_photos_are_named(tmp_path, suffix):
    path = saved(tmp_path / f"bad.{suffix}", NOISE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"bad\.{suffix}: is damaged or cut short"):
        squeezed(path, 8)
    with pytest.raises(DataError, match="train/7: is damaged or cut short"):
        squeezed(path.read_bytes(), 8, name="train/7")


def test_what_is_no_photo_is_named(tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    for name, problem in (
        ("text", "is not a photo"),
        ("empty", "is empty"),
        ("folder", "is a folder"),
        ("absent", "does not exist"),
    ):
        with pytest.raises(DataError, match=rf"{name}\.jpg: {problem}"):
            squeezed(tmp_path / f"{name}.jpg", 8)


def test_large_photos_are_refused_before_decoding(tmp_path, monkeypatch):
    # A header that promises 40,000 x 40,000 pixels and nothing after it.
    out = io.BytesIO()
    Image.fromarray(NOISE).save(out, "JPEG")
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = bytes([0x9C, 0x40, 0x9C, 0x40])
    (tmp_path / "bomb.jpg").write_bytes(data)
    with pytest.raises(DataError, match=r"bomb\.jpg: has more than|bomb\.jpg: has 40000 x 40000"):
        squeezed(tmp_path / "bomb.jpg", 8)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 100)
    assert decoding._plain(bytes(out.getvalue()), 8, shrink=True) is None
