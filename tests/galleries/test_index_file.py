"""Index files: what is written is read, whole or not at all."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from recessive.galleries import index_file
from recessive.galleries.index_file import FORMAT, IndexFile, IndexFileError, read_index, write_index

NAMES = ("a.jpg", "æ/日本/😀.png", "two\nlines.webp", os.fsdecode(b"latin-\xe9.jpg"))


@pytest.fixture
def index():
    return IndexFile(
        card={"digest": "0123", "settings": {"encoder": "bovw", "words": None}},
        names=NAMES,
        stamps=np.array([[1, 2], [3, 4], [2**40, 2**62], [-1, -1]]),
        gallery={
            "offsets": np.array([0, 2, 3], np.int64),
            "photos": np.array([3, 1, 0], np.int32),
            "signatures": np.array([0, 1, 2**64 - 1], np.uint64),
            "norms": np.array([[0.1, 1e300]]),
            "codes": np.array([[1, 255], [0, 7]], np.uint8).T,  # not contiguous
            "nothing": np.zeros((0, 5), np.float32),
        },
        vocabulary={"words": np.ones((2, 3), np.float16), "steps": np.array([-1], np.int8)},
        failed=(("b\n.jpg", "is empty"),),
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "photos.index"


def same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        assert array.shape == other[name].shape
        assert np.array_equal(array, other[name])


def test_what_is_written_is_read(index, path):
    assert write_index(path, index) == path.stat().st_size
    found = read_index(path)
    assert found.card == {**index.card, "format": FORMAT}
    assert (found.names, found.failed) == (index.names, index.failed)
    same({"stamps": index.stamps}, {"stamps": found.stamps})
    same(index.gallery, found.gallery)
    same(index.vocabulary, found.vocabulary)
    assert list(path.parent.iterdir()) == [path]


def test_it_is_a_safetensors_file_with_aligned_arrays(index, path):
    write_index(path, index)
    with safe_open(path, framework="pt") as stored:
        assert set(stored.metadata()) == {"recessive-index"}
        assert torch.equal(stored.get_tensor("gallery.photos"), torch.tensor([3, 1, 0], dtype=torch.int32))
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["data_offsets"][0] % (int(entry["dtype"][1:]) // 8) == 0


def test_an_index_of_nothing(path):
    write_index(path, IndexFile({}, (), np.zeros((0, 2), np.int64), {}))
    found = read_index(path)
    assert (found.names, found.gallery, found.vocabulary, found.failed) == ((), {}, {}, ())
    assert found.stamps.shape == (0, 2)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux tells what is mapped")
def test_arrays_are_mapped_into_memory(index, path):
    write_index(path, index)
    found = read_index(path)
    assert str(path) in Path("/proc/self/maps").read_text()
    del found
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_an_index_replaces_another_even_while_that_is_open(index, path):
    write_index(path, index)
    before = read_index(path)
    write_index(path, IndexFile({}, ("new.jpg",), np.zeros((1, 2), np.int64), {}))
    assert read_index(path).names == ("new.jpg",)
    assert np.array_equal(before.gallery["signatures"], index.gallery["signatures"])


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EIO, "Input/output error")])
def test_what_cannot_be_written_leaves_what_was_there(index, path, monkeypatch, number, said):
    path.write_text("before")

    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("recessive.files.os.fsync", fail)
    with pytest.raises(IndexFileError, match=f"photos.index: cannot be written: {said}"):
        write_index(path, index)
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there(index, tmp_path):
    (tmp_path / "file").touch()
    for wrong in ("missing", "file"):
        with pytest.raises(IndexFileError, match=r"a\.index: cannot be written: "):
            write_index(tmp_path / wrong / "a.index", index)


def test_a_file_that_is_cut_short_anywhere_is_one_clear_error(index, path):
    write_index(path, index)
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 37), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(IndexFileError) as refused:
            read_index(path)
        assert str(refused.value).startswith(f"{path}: is damaged or cut short, or no index: ")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"text that is no index at all", b"\0" * 100, b"\xff" * 100])
def test_other_files_are_no_index(path, content):
    path.write_bytes(content)
    with pytest.raises(IndexFileError, match=r"photos\.index: is damaged or cut short, or no index: "):
        read_index(path)


def test_other_safetensors_files_are_no_index(path):
    save_file({"words": torch.ones(3)}, path)
    with pytest.raises(
        IndexFileError, match=r"photos\.index: is not an index of recessive; make one with recessive index"
    ):
        read_index(path)


def test_nothing_and_a_folder_are_no_index(path):
    with pytest.raises(IndexFileError, match=r"photos\.index: there is no such index; make one with recessive index"):
        read_index(path)
    with pytest.raises(IndexFileError, match="is a folder, not an index"):
        read_index(path.parent)


def test_a_later_format_is_told(index, path, monkeypatch):
    monkeypatch.setattr(index_file, "FORMAT", FORMAT + 1)
    write_index(path, IndexFile({**index.card, "recessive": "9.8"}, index.names, index.stamps, {}))
    monkeypatch.undo()
    with pytest.raises(IndexFileError, match=r"has format 2, this version .* reads format 1; .*made it \(9\.8\)"):
        read_index(path)


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"photos": torch.zeros(5, dtype=torch.uint8), "stamps": torch.zeros(0, 2)},
        {"photos": torch.tensor(list(b'{"names": []}'), dtype=torch.uint8), "stamps": torch.zeros(0, 2)},
        {"photos": torch.tensor(list(b"[1, 2]"), dtype=torch.uint8), "stamps": torch.zeros(0, 2)},
        {"photos": torch.tensor(list(b'{"names": ["a"], "failed": []}'), dtype=torch.uint8)},
        {"photos": torch.tensor(list(b'{"names": ["a"], "failed": []}'), dtype=torch.uint8), "stamps": torch.ones(2)},
    ],
)
def test_damaged_names_and_stamps(path, tensors):
    save_file(tensors, path, {"recessive-index": '{"format": 1}'})
    with pytest.raises(IndexFileError, match=r"photos\.index: is damaged"):
        read_index(path)


@pytest.mark.parametrize("card", ["no JSON", "{}", "[]"])
def test_a_damaged_card(path, card):
    save_file({"a": torch.ones(1)}, path, {"recessive-index": card})
    with pytest.raises(IndexFileError, match=r"photos\.index: is damaged or cut short, or no index: "):
        read_index(path)
