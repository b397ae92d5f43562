import runpy
from pathlib import Path

import numpy as np
import pytest

from recessive.datasets import DataError, load_data

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
write_concept, write_nus_wide_lists, touch = (_trees[n] for n in ("write_concept", "write_nus_wide_lists", "touch"))


@pytest.fixture
def small(tmp_path):
    """42 photos, of which nothing can be drawn."""
    names = [f"f/{n}.jpg" for n in range(42)]
    touch(tmp_path / "Flickr", names)
    write_nus_wide_lists(tmp_path, names, 21, 42)
    return tmp_path


def test_the_most_frequent_concepts_are_the_classes(root):
    data = load_data("nus-wide-21", root)
    assert data.classes == tuple(f"concept{i:02}" for i in range(21))
    assert data.note == "30 photos without labels are left out"
    assert data.query.labels.sum(dim=0).min() >= 100
    assert data.train.labels.sum(dim=0).min() >= 500
    for row in range(0, len(data.gallery), 501):
        number = int(data.gallery.photos.key(row).split("/")[1].split("_")[0])
        expected = {number % 21} | ({(number + 1) % 21} if number % 5 == 0 else set())
        assert set(data.gallery.labels[row].nonzero().flatten().tolist()) == expected


def test_the_other_protocol_has_all_concepts(root):
    data = load_data("nus-wide-21", root, protocol="rnm")
    assert len(data.classes) == 24
    assert data.classes[:3] == ("a_rare0", "a_rare1", "a_rare2")


def test_photos_that_are_not_there_are_counted(small):
    (small / "Flickr" / "f" / "3.jpg").unlink()
    with pytest.raises(DataError, match="nus-wide-21, queries: 500 photos are needed, but there are 41"):
        load_data("nus-wide-21", small, protocol="rnm")


def test_lists_name_photos_that_are_not_there(root, tmp_path):
    for entry in ("ImageList", "Groundtruth"):
        (tmp_path / entry).symlink_to(root / "NUS-WIDE" / entry)
    (tmp_path / "Flickr").mkdir()
    for folder in range(1, 7):  # f0 is not there
        (tmp_path / "Flickr" / f"f{folder}").symlink_to(root / "NUS-WIDE" / "Flickr" / f"f{folder}")
    data = load_data("nus-wide-21", tmp_path, protocol="rnm")
    assert "2,070 photos of the list are missing" in data.note
    assert len(data.query) + len(data.gallery) == 14_490 - 2_070


def test_damaged_labels_are_named(small):
    write_concept(small, "concept07", np.ones(41))
    with pytest.raises(
        DataError, match=r"Labels_concept07\.txt: contains 41 labels, but ImageList/Imagelist\.txt lists 42 photos"
    ):
        load_data("nus-wide-21", small)
    (small / "Groundtruth" / "AllLabels" / "Labels_concept07.txt").write_text("10\n" * 42)
    with pytest.raises(DataError, match=r"Labels_concept07\.txt: damaged"):
        load_data("nus-wide-21", small)


def test_missing_concepts_are_counted(small):
    for path in list((small / "Groundtruth" / "AllLabels").glob("*_a_rare*")):
        path.unlink()
    (small / "Groundtruth" / "AllLabels" / "Labels_concept00.txt").unlink()
    with pytest.raises(DataError, match=r"AllLabels: contains 20 of 81 files Labels_<concept>\.txt"):
        load_data("nus-wide-21", small)


@pytest.mark.parametrize("name", ["..\\..\\secret.jpg", "/etc/secret.jpg"])
def test_lists_cannot_lead_elsewhere(small, name):
    with (small / "ImageList" / "Imagelist.txt").open("a") as file:
        file.write(f"{name}\n")
    with pytest.raises(DataError, match=r"Imagelist\.txt: damaged; it lists .*secret\.jpg"):
        load_data("nus-wide-21", small)


def test_rare_concepts_are_named(small):
    with pytest.raises(
        DataError, match=r"nus-wide-21, queries, class concept\d\d: 100 photos are needed, but there are 2"
    ):
        load_data("nus-wide-21", small)
