import io
import pickle
import runpy
import shutil
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import DataError, load_data
from recessive.datasets.cifar10 import LOSSY

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
CIFAR, cifar_batches, write_cifar_binary = _trees["CIFAR"], _trees["cifar_batches"], _trees["write_cifar_binary"]
write_photo = _trees["write_photo"]

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as the strings of Python 2, in which the official files are pickled."""

    dispatch = pickle._Pickler.dispatch.copy()

    def string(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = string


def pickled(pixels, labels):
    out = io.BytesIO()
    Python2Pickler(out, 2).dump({"batch_label": "a batch", "labels": labels.tolist(), "data": pixels})
    return out.getvalue()


def pack(path, contents):
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, data in contents:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture(scope="module")
def batches():
    return cifar_batches(training=10, testing=100)


@pytest.fixture(scope="module")
def expected(batches):
    """Training photos, test photos and the training labels."""
    pixels = [torch.from_numpy(p).reshape(-1, 3, 32, 32) for p, _ in batches]
    return torch.cat(pixels[:-1]), pixels[-1]


def check(data, expected):
    training, testing = expected
    assert torch.equal(data.gallery.photos.batch(range(100), 32), training)
    assert torch.equal(data.query.photos.batch(range(1_000), 32), testing)
    assert data.gallery.labels.tolist() == [i % 10 for i in range(100)]
    assert data.classes == CIFAR
    assert data.note == "incomplete copy: 1,100 of 60,000 photos"


@pytest.fixture
def form(tmp_path, batches):
    """Writes one form of CIFAR-10; the root is returned."""

    def write(kind):
        if kind == "bin":
            write_cifar_binary(tmp_path / "cifar-10-batches-bin", batches)
        elif kind == "py":
            (tmp_path / "cifar-10-batches-py").mkdir()
            for name, batch in zip(NAMES, batches, strict=True):
                (tmp_path / "cifar-10-batches-py" / name).write_bytes(pickled(*batch))
        elif kind == "python archive":
            contents = [(f"cifar-10-batches-py/{n}", pickled(*b)) for n, b in zip(NAMES, batches, strict=True)]
            pack(tmp_path / "cifar-10-python.tar.gz", [("cifar-10-batches-py/readme.html", b"x"), *contents])
        else:
            records = [np.concatenate([labels[:, None], pixels], axis=1).tobytes() for pixels, labels in batches]
            contents = [(f"cifar-10-batches-bin/{n}.bin", r) for n, r in zip(NAMES, records, strict=True)]
            pack(tmp_path / "cifar-10-binary.tar.gz", contents)
        return tmp_path

    return write


@pytest.mark.parametrize("kind", ["bin", "py", "python archive", "binary archive"])
def test_official_forms_give_the_exact_pixels(form, expected, kind):
    root = form(kind)
    before = sorted(root.rglob("*"))
    check(load_data("cifar-10", root), expected)
    check(load_data("cifar-10", before[0]), expected)  # the folder or archive itself
    assert sorted(root.rglob("*")) == before


def test_a_folder_cut_short_does_not_hide_the_archive(form, expected):
    root = form("py")
    (root / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(DataError, match=r"cifar-10: .*test_batch does not exist; download cifar-10-python"):
        load_data("cifar-10", root)
    form("python archive")
    check(load_data("cifar-10", root), expected)


def test_pickles_cannot_run_code(form, tmp_path):
    root = form("py")

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    for payload in (Evil(), {"data": Evil(), "labels": []}):
        (root / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(payload))
        with pytest.raises(DataError, match=r"data_batch_3: not a batch of CIFAR-10.*it wants to load"):
            load_data("cifar-10", root)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", ["cut", "no dict", "wrong shape", "few labels", "wrong label"])
def test_damaged_pickles_are_named(form, batches, content):
    root = form("py")
    pixels, labels = batches[1]
    data = {
        "cut": pickled(pixels, labels)[:-2_000],
        "no dict": pickle.dumps([1, 2]),
        "wrong shape": pickled(pixels[:, :100], labels),
        "few labels": pickled(pixels, labels[1:]),
        "wrong label": pickled(pixels, labels + 1),
    }[content]
    (root / "cifar-10-batches-py" / "data_batch_2").write_bytes(data)
    with pytest.raises(DataError, match="data_batch_2: "):
        load_data("cifar-10", root)


def test_damaged_records_are_named(form):
    path = form("bin") / "cifar-10-batches-bin" / "data_batch_4.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"data_batch_4\.bin: damaged or cut short"):
        load_data("cifar-10", path.parents[1])
    path.write_bytes(bytes([10]) + whole[1:])
    with pytest.raises(DataError, match=r"data_batch_4\.bin: contains a label outside of 0 to 9"):
        load_data("cifar-10", path.parents[1])


def test_empty_test_sets_are_refused(form):
    root = form("bin")
    (root / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(b"")
    with pytest.raises(DataError, match="cifar-10: the test set is empty"):
        load_data("cifar-10", root, protocol="II")


def test_damaged_archives_are_named(form):
    root = form("python archive")
    path = root / "cifar-10-python.tar.gz"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no archive"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: damaged or cut short"):
            load_data("cifar-10", root)
    pack(path, [("cifar-10-batches-py/data_batch_2", b"")])
    with pytest.raises(DataError, match="contains no cifar-10-batches-py/data_batch_1; download it again"):
        load_data("cifar-10", root)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A JPEG copy: 1 training and 2 test photos a class."""
    root = tmp_path_factory.mktemp("copy")
    for number, class_ in enumerate(CIFAR):
        for place, name in enumerate(("train/{}/0000.jpg", "test/{}/0000.jpg", "test/{}/0001.jpg")):
            write_photo(root / "cifar10" / name.format(class_), 10 * number + place, size=(32, 32), quality=95)
    return root


@pytest.mark.parametrize("kind", ["folder", "folder itself", "archive", "archive itself"])
def test_jpeg_copies_say_that_they_are_lossy(copy, tmp_path, kind):
    files = sorted(copy.rglob("*.jpg"), reverse=True)
    root = copy / "cifar10" if kind == "folder itself" else copy
    if kind.startswith("archive"):
        root = tmp_path
        pack(root / "cifar10-jpeg.tar.gz", [(f.relative_to(copy).as_posix(), f.read_bytes()) for f in files])
        root = root / "cifar10-jpeg.tar.gz" if kind == "archive itself" else root
    data = load_data("cifar-10", root, protocol="II")
    assert data.note == f"{LOSSY}; incomplete copy: 30 of 60,000 photos"
    assert data.gallery.labels.tolist() == list(range(10))
    assert data.query.labels.tolist() == sorted(list(range(10)) * 2)
    decoded = np.asarray(Image.open(copy / "cifar10" / "test" / "bird" / "0001.jpg"))
    assert np.array_equal(data.query.photos.batch([5], 32)[0].permute(1, 2, 0).numpy(), decoded)


def test_png_copies_are_not_lossy(copy, tmp_path):
    for path in copy.rglob("*.jpg"):
        target = (tmp_path / path.relative_to(copy)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).save(target)
    assert "lossy" not in load_data("cifar-10", tmp_path, protocol="II").note


def test_damaged_copies_are_named(copy, tmp_path):
    root = shutil.copytree(copy, tmp_path / "root")
    (root / "cifar10" / "train" / "cat" / "0000.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(DataError, match=r"train/cat/0000\.jpg"):
        load_data("cifar-10", root)
    shutil.copy(copy / "cifar10" / "train" / "cat" / "0000.jpg", root / "cifar10" / "train" / "cat")
    shutil.rmtree(root / "cifar10" / "test" / "dog")
    with pytest.raises(DataError, match="there are no photos in test/dog"):
        load_data("cifar-10", root)


def test_bombs_in_copies_are_refused(tmp_path):
    pack(tmp_path / "cifar10-jpeg.tar.gz", [("cifar10/train/cat/0.jpg", bytes(2 << 20))])
    with pytest.raises(DataError, match="is larger than any photo of 32 x 32 pixels"):
        load_data("cifar-10", tmp_path)
