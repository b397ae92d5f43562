import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import ArrayPhotos, DataError, FilePhotos
from recessive.datasets.photos import ChosenPhotos, choose

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
    with pytest.raises(DataError, match=rf"b/1\.png: the box {box[0]:g} {box[1]:g} .* holds nothing of the photo"):
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
