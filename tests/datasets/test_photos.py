import io
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from recessive.datasets import ArrayPhotos, DataError, FilePhotos, cut_out, photos
from recessive.datasets.photos import ChosenPhotos, choose, read_box, squeezed
from recessive.photos import read_photo

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
write_photo = _trees["write_photo"]


@pytest.fixture
def array():
    pixels = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ArrayPhotos(pixels, (("train", 3), ("test", 2)))


@pytest.fixture
def files(tmp_path):
    names = ("a/1.png", "a/2.jpg", "b/1.png")
    for seed, name in enumerate(names):
        write_photo(tmp_path / name, seed)
    return FilePhotos(tmp_path, names)


def test_arrays_of_that_size_are_indexed(array):
    assert torch.equal(array.batch([4, 0, 4], 8), array.array[[4, 0, 4]])
    assert torch.equal(array.batch(torch.tensor([1]), 8), array.array[1:2])
    assert array.batch([], 8).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("size", [3, 20])
def test_arrays_of_another_size_are_resized_as_pillow_does(array, size):
    found = array.batch([2], size)[0].permute(1, 2, 0).numpy()
    image = Image.fromarray(array.array[2].permute(1, 2, 0).numpy())
    assert np.array_equal(found, np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("size", [8, 12])
def test_grey_arrays_get_three_equal_channels(array, size):
    grey = ArrayPhotos(array.array[:, :1].clone(), (("train", 5),))
    batch = grey.batch([0, 3], size)
    assert batch.shape == (2, 3, size, size)
    assert torch.equal(batch[:, 0], batch[:, 1])
    assert torch.equal(batch[:, 0], batch[:, 2])


def test_array_keys_name_part_and_place(array):
    assert [array.key(i) for i in range(5)] == ["train/0", "train/1", "train/2", "test/0", "test/1"]
    for index in (-1, 5):
        with pytest.raises(IndexError):
            array.key(index)


def test_arrays_that_are_no_photos_are_refused():
    with pytest.raises(DataError, match="must be uint8"):
        ArrayPhotos(torch.zeros(2, 3, 4, 4), (("train", 2),))
    with pytest.raises(DataError, match="must be uint8"):
        ArrayPhotos(torch.zeros(2, 2, 4, 4, dtype=torch.uint8), (("train", 2),))
    with pytest.raises(DataError, match="do not divide"):
        ArrayPhotos(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), (("train", 1),))


def test_files_are_decoded_in_the_order_asked(files):
    batch = files.batch([2, 0], 8)
    assert (batch.dtype, batch.shape) == (torch.uint8, (2, 3, 8, 8))
    assert torch.equal(batch[0], files.batch([2], 8)[0])
    assert torch.equal(batch[1], files.batch([0], 8)[0])
    assert not torch.equal(batch[0], batch[1])
    assert (files.key(1), files.path(1)) == ("a/2.jpg", files.root / "a/2.jpg")


def test_files_are_picklable(files):
    again = pickle.loads(pickle.dumps(choose(files, [2, 1])))  # noqa: S301 - our own
    assert torch.equal(again.batch([0, 1], 8), files.batch([2, 1], 8))


def test_a_file_that_vanished_is_named(files):
    files.path(0).unlink()
    with pytest.raises(DataError, match=r"a/1\.png: does not exist"):
        files.batch([0], 8)


def test_boxes_belong_to_photos(files):
    boxed = FilePhotos(files.root, files.names, ((0, 0, 6, 6), (0, 0, 6, 6), (2, 2, 10, 10)))
    whole = np.asarray(Image.open(files.path(2)))
    assert np.array_equal(boxed.batch([2], 8)[0].permute(1, 2, 0).numpy(), whole[2:10, 2:10])
    with pytest.raises(DataError, match="1 boxes for 3 photos"):
        FilePhotos(files.root, files.names, ((0, 0, 6, 6),))


def test_arrays_give_single_photos_as_they_are(array):
    photo = array.photo(3)
    assert (photo.dtype, photo.shape) == (torch.float32, (3, 8, 8))
    assert torch.equal((photo * 255).round().to(torch.uint8), array.array[3])
    assert torch.equal(photo, array.whole(3))
    assert array.box(3) is None
    grey = ArrayPhotos(array.array[:, 1:2].clone(), (("train", 5),))
    assert torch.equal(grey.photo(2), array.photo(2)[1:2].repeat(3, 1, 1))


def levels(photo):
    assert photo.dtype == torch.float32
    return (photo * 255).round().permute(1, 2, 0).numpy()


def test_files_are_decoded_at_their_own_size(files):
    for index in (0, 1, 2):
        assert np.array_equal(levels(files.photo(index)), np.asarray(Image.open(files.path(index))))
        assert torch.equal(files.photo(index), files.whole(index))
        assert files.box(index) is None
    files.path(0).unlink()
    files.path(1).write_bytes(b"no photo")
    for index, name in enumerate((r"a/1\.png: does not exist", r"a/2\.jpg: ")):
        with pytest.raises(DataError, match=name):
            files.photo(index)


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((2, 3, 7, 9), slice(3, 9), slice(2, 7)),
        ((0.4, 0.6, 5.4, 5.6), slice(1, 6), slice(0, 5)),
        ((0.5, 1.5, 6.5, 7.5), slice(2, 8), slice(0, 6)),  # halves go to the even number
        ((-3, 4, 8, 90), slice(4, 10), slice(0, 8)),  # clipped to 12 x 10
        ((-0.3, -5, 12.4, 10.4), slice(0, 10), slice(0, 12)),
    ],
)
def test_a_box_is_cut_out_in_whole_pixels(files, box, rows, columns):
    boxed = FilePhotos(files.root, files.names, (None, box, box))
    for index in (1, 2):
        whole = np.asarray(Image.open(files.path(index)))
        assert np.array_equal(levels(boxed.photo(index)), whole[rows, columns])
        assert np.array_equal(levels(boxed.whole(index)), whole)
        assert boxed.box(index) == box
        inside = (max(0, box[0]), max(0, box[1]), min(12, box[2]), min(10, box[3]))
        pillow = np.asarray(Image.open(files.path(index)).crop(inside))
        assert np.array_equal(levels(boxed.photo(index)), pillow)
    assert torch.equal(boxed.photo(0), files.photo(0))
    assert torch.equal(boxed.batch([0], 8), files.batch([0], 8))


def test_a_cut_photo_does_not_keep_the_whole_one(files):
    photo = FilePhotos(files.root, files.names, ((2, 2, 4, 4),) * 3).photo(0)
    assert photo.is_contiguous()
    assert photo.untyped_storage().nbytes() == 3 * 2 * 2 * 4


@pytest.mark.parametrize("box", [(12, 0, 20, 5), (0, -4, 5, 0), (3, 3, 3.4, 8)])
def test_a_box_of_nothing_is_named_with_its_photo(files, box):
    boxed = FilePhotos(files.root, files.names, (box,) * 3)
    with pytest.raises(DataError, match=rf"b/1\.png: the box {box[0]:g} {box[1]:g} .* contains no part of the photo"):
        boxed.photo(2)


def test_boxes_are_in_pixels_of_the_upright_photo(tmp_path):
    pixels = write_photo(tmp_path / "turned.png", size=(12, 10), exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0"
                         b"\x01\0\0\0\x06\0\0\0\0\0\0\0")  # fmt: skip
    turned = FilePhotos(tmp_path, ("turned.png",), ((1, 2, 9, 11),))
    upright = np.rot90(pixels, -1)
    assert np.array_equal(levels(turned.whole(0)), upright)
    assert np.array_equal(levels(turned.photo(0)), upright[2:11, 1:9])


def test_choices_of_choices_refer_to_the_first_sequence(array):
    chosen = choose(choose(array, [4, 2, 0]), torch.tensor([2, 0]))
    assert isinstance(chosen, ChosenPhotos)
    assert chosen.photos is array
    assert [chosen.key(i) for i in range(len(chosen))] == ["train/0", "test/1"]
    assert torch.equal(chosen.batch([1, 0], 8), array.array[[4, 0]])


def test_chosen_photos_keep_their_boxes(files):
    boxed = FilePhotos(files.root, files.names, ((0, 0, 6, 6), None, (2, 2, 10, 10)))
    chosen = choose(boxed, [2, 1])
    assert [chosen.box(i) for i in range(2)] == [(2, 2, 10, 10), None]
    for place, index in enumerate((2, 1)):
        assert torch.equal(chosen.photo(place), boxed.photo(index))
        assert torch.equal(chosen.whole(place), boxed.whole(index))


def test_numbers_and_text_make_a_box():
    assert read_box(["1", "2.5", " 3", "1e1"], "x") == (1.0, 2.5, 3.0, 10.0)
    assert read_box((-1, 0.0, 2, 3), "x") == (-1.0, 0.0, 2.0, 3.0)


@pytest.mark.parametrize("values", [[], [1, 2, 3], [1, 2, 3, 4, 5], ["1", "2", "3", "x"], [1, 2, None, 4]])
def test_what_is_not_four_numbers_is_named(values):
    with pytest.raises(DataError, match=r"^list, line 3: damaged; a box is four numbers: left, top, right and bottom$"):
        read_box(values, "list, line 3")


@pytest.mark.parametrize(
    "values", [(3, 2, 3, 4), (3, 2, 1, 4), (1, 4, 3, 2), (1, 2, float("inf"), 4), ("nan", 2, 3, 4)]
)
def test_what_holds_nothing_is_named(values):
    with pytest.raises(DataError, match=r"^list: damaged; .* is not a box: it must have left < right and top"):
        read_box(values, "list")


def test_a_box_is_rounded_and_then_clipped():
    photo = torch.arange(3 * 4 * 5.0).view(3, 4, 5)
    assert torch.equal(cut_out(photo, (0.5, 1.5, 2.5, 3.5), "x"), photo[:, 2:4, 0:2])
    assert torch.equal(cut_out(photo, (-7, -0.6, 99, 4.4), "x"), photo)
    for outside in (float("nan"), float("inf")):
        with pytest.raises(DataError, match=r"^x: the box 0 0 2 (nan|inf) contains no part of the photo$"):
            cut_out(photo, (0, 0, 2, outside), "x")
    with pytest.raises(DataError, match=r"^x: the box 0\.6 1 1\.4 3 contains no part of the photo$"):
        cut_out(photo, (0.6, 1, 1.4, 3), "x")


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
    with pytest.raises(DataError, match=r"a\.jpg: the box 400 0 410 20 contains no part"):
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
    monkeypatch.setattr(photos, "MAX_PIXELS", 100)
    assert photos._plain(bytes(out.getvalue()), 8, shrink=True) is None
