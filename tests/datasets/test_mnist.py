import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from recessive.datasets import DataError, load_data
from recessive.datasets.mnist import CLOTHES, DIGITS, read_idx

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
write_digits, write_idx = _trees["write_digits"], _trees["write_idx"]


@pytest.fixture
def digits(tmp_path):
    write_digits(tmp_path / "set", training=1, testing=1, compress=False)
    return tmp_path / "set"


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("shape", [(3,), (2, 4, 5), (0, 28, 28)])
def test_idx_files_come_back(tmp_path, shape, compress):
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    write_idx(tmp_path / "x", array, compress=compress)
    assert np.array_equal(read_idx(tmp_path / "x", dimensions=len(shape)), array)


@pytest.mark.parametrize("compress", [True, False])
def test_damaged_idx_files_are_named(tmp_path, compress):
    path = tmp_path / "digits.gz"
    write_idx(path, np.zeros((9, 28, 28), np.uint8), compress=compress)
    whole = path.read_bytes()
    for content in (whole[:-9], whole[:3], whole[:1], b"", b"\0\0\x0d\3" + whole[4:], whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"digits\.gz: (damaged|not an IDX file)"):
            read_idx(path, dimensions=3)
    path.write_bytes(whole)
    with pytest.raises(DataError, match="not an IDX file of bytes in 1 dimensions"):
        read_idx(path, dimensions=1)


PLACES = {"mnist": ("mnist", "MNIST/raw", "."), "fashion-mnist": ("fashion-mnist", "FashionMNIST/raw", ".")}


@pytest.mark.parametrize(("name", "folder"), [(name, folder) for name, folders in PLACES.items() for folder in folders])
def test_usual_folders_are_found(digits, tmp_path, name, folder):
    root = tmp_path / "root"
    shutil.copytree(digits, root / folder)
    data = load_data(name, root, protocol="II")
    assert data.classes == (DIGITS if name == "mnist" else CLOTHES)
    expected = torch.from_numpy(read_idx(digits / "t10k-images-idx3-ubyte", dimensions=3).copy())
    assert torch.equal(data.query.photos.batch(range(10), 28)[:, 0], expected)
    assert data.query.labels.tolist() == list(range(10))
    assert data.note == "incomplete copy: 20 of 70,000 photos"


def test_names_with_a_dot_are_found(digits):
    for path in digits.iterdir():
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(load_data("mnist", digits, protocol="II").query) == 10


def test_a_missing_file_is_named(digits):
    (digits / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(
        DataError, match=r"mnist: .* has no t10k-labels-idx1-ubyte\.gz, gzipped or not; download four files"
    ):
        load_data("mnist", digits)


def test_counts_must_agree(digits):
    write_idx(digits / "train-labels-idx1-ubyte", np.zeros(9, np.uint8), compress=False)
    with pytest.raises(DataError, match=r"train-images.* has 10 pictures, but .*train-labels.* has 9 labels"):
        load_data("mnist", digits)


def test_wrong_labels_and_sizes_are_named(digits):
    write_idx(digits / "t10k-labels-idx1-ubyte", np.full(10, 10, np.uint8), compress=False)
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: contains label 10; the largest is 9"):
        load_data("mnist", digits)
    write_idx(digits / "train-images-idx3-ubyte", np.zeros((10, 32, 28), np.uint8), compress=False)
    with pytest.raises(DataError, match="train-images-idx3-ubyte: the pictures are 28 x 32, not 28 x 28"):
        load_data("mnist", digits)


def test_the_two_sets_are_not_mixed_up(digits):
    write_idx(digits / "train-labels-idx1-ubyte", np.array([9, 0, 0, 3, 0, 2, 7, 2, 5, 5], np.uint8), compress=False)
    assert len(load_data("fashion-mnist", digits, protocol="II").query) == 10
    with pytest.raises(DataError, match="belongs to fashion-mnist, not to mnist"):
        load_data("mnist", digits, protocol="II")


def test_too_few_photos_a_class_are_said(digits):
    with pytest.raises(DataError, match="mnist, queries, class 0: 100 photos are needed, but there are 1"):
        load_data("mnist", digits)


def test_an_empty_set_is_refused(digits):
    write_idx(digits / "t10k-images-idx3-ubyte", np.zeros((0, 28, 28), np.uint8), compress=False)
    write_idx(digits / "t10k-labels-idx1-ubyte", np.zeros(0, np.uint8), compress=False)
    with pytest.raises(DataError, match="mnist: the test set is empty"):
        load_data("mnist", digits)
