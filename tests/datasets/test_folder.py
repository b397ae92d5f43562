import runpy
from pathlib import Path

import pytest

from recessive.datasets import DataError, load_data

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
touch, write_photo = _trees["touch"], _trees["write_photo"]


@pytest.fixture
def folder(tmp_path):
    """20 photos of beaches in folders inside, 9 of dogs, 2 of cars in several formats."""
    touch(tmp_path, [f"beach/{year}/{i}.jpg" for year in (2020, 2021) for i in range(10)])
    touch(tmp_path, [f"dog/{i}.JPEG" for i in range(9)])
    touch(tmp_path, ["car/1.png", "car/2.webp", "car/notes.txt", "car/.1.png", ".trash/1.jpg", ".trash/2.jpg"])
    return tmp_path


def keys(split):
    return [split.photos.key(i) for i in range(len(split))]


def test_a_tenth_of_each_class_are_queries(folder):
    data = load_data(str(folder), None)
    assert (data.name, data.protocol) == (folder.name, "tenth")
    assert data.classes == ("beach", "car", "dog")
    assert data.query.labels.tolist() == [0, 0, 1, 2]
    assert data.gallery.labels.bincount().tolist() == [18, 1, 8]
    assert keys(data.train) == keys(data.gallery)
    assert not set(keys(data.query)) & set(keys(data.gallery))
    assert len({*keys(data.query), *keys(data.gallery)}) == 31
    assert all(key.split("/")[0] == data.classes[n] for key, n in zip(keys(data.query), data.query.labels, strict=True))
    assert data.note == ""


def test_a_seed_decides_the_queries(folder):
    assert keys(load_data(str(folder), None, seed=3).query) == keys(load_data(str(folder), None, seed=3).query)
    assert len({tuple(keys(load_data(str(folder), None, seed=seed).query)) for seed in range(5)}) > 1


def test_photos_can_be_read(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.jpg"):
        write_photo(tmp_path / name)
    data = load_data(str(tmp_path), None)
    assert data.gallery.photos.batch([0, 1], 8).shape == (2, 3, 8, 8)


def test_photos_outside_the_classes_are_counted(folder):
    touch(folder, ["loose.jpg", "more.png"])
    assert load_data(str(folder), None).note == "2 photos outside the class folders are left out"


def test_a_flat_folder_is_told_the_layout(tmp_path):
    touch(tmp_path, ["1.jpg", "2.jpg", "readme.txt"])
    with pytest.raises(
        DataError, match=r"its 2 photos lie in no class folders; needed is one folder a class .*beach/1\.jpg"
    ):
        load_data(str(tmp_path), None)


def test_an_empty_folder_is_told_the_layout(tmp_path):
    with pytest.raises(DataError, match="it has no folders; needed is one folder a class"):
        load_data(str(tmp_path), None)


@pytest.mark.parametrize(("names", "count"), [(["lone/1.jpg"], "one photo"), (["lone/x.txt"], "no photo")])
def test_a_class_with_too_few_photos_is_named(folder, names, count):
    touch(folder, names)
    with pytest.raises(DataError, match=f"class lone has {count}; it needs two"):
        load_data(str(folder), None)


def test_one_class_is_not_enough(tmp_path):
    touch(tmp_path, ["beach/1.jpg", "beach/2.jpg"])
    with pytest.raises(DataError, match="beach is its only class; needed are two or more"):
        load_data(str(tmp_path), None)


def test_splits_are_not_taken_for_classes(tmp_path):
    touch(tmp_path, [f"{part}/beach/{i}.jpg" for part in ("train", "Test") for i in range(3)])
    with pytest.raises(DataError, match="Test, train look like splits, not classes"):
        load_data(str(tmp_path), None)


def test_unknown_protocols_list_the_known_ones(folder):
    with pytest.raises(DataError, match="has no protocol 'I': choose tenth, query-database"):
        load_data(str(folder), None, protocol="I")
