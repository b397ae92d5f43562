import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import FOLDER_PROTOCOLS, DataError, load_data
from recessive.datasets.folders import photo_names
from recessive.galleries import DenseGallery, mean_average_precision
from recessive.galleries.judged import Judgement, judged_map

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
touch, write_photo = _trees["touch"], _trees["write_photo"]

QUERIES = ("juice/1.png", "milk/1.jpg", "milk/2.png")
HEAD = "name,x1,y1,x2,y2\n"


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
    assert load_data(str(folder), None).note == "2 photos outside of the class folders are ignored"


def test_a_flat_folder_is_told_the_layout(tmp_path):
    touch(tmp_path, ["1.jpg", "2.jpg", "readme.txt"])
    with pytest.raises(
        DataError, match=r"2 photos are not in class folders; expected one folder per class .*beach/1\.jpg"
    ):
        load_data(str(tmp_path), None)


def test_an_empty_folder_is_told_the_layout(tmp_path):
    with pytest.raises(DataError, match="there are no folders; expected one folder per class"):
        load_data(str(tmp_path), None)


@pytest.mark.parametrize(("names", "count"), [(["lone/1.jpg"], "one photo"), (["lone/x.txt"], "no photos")])
def test_a_class_with_too_few_photos_is_named(folder, names, count):
    touch(folder, names)
    with pytest.raises(DataError, match=f"class lone has {count}; it needs at least two"):
        load_data(str(folder), None)


def test_one_class_is_not_enough(tmp_path):
    touch(tmp_path, ["beach/1.jpg", "beach/2.jpg"])
    with pytest.raises(DataError, match="beach is the only class; expected at least two"):
        load_data(str(tmp_path), None)


def test_splits_are_not_taken_for_classes(tmp_path):
    touch(tmp_path, [f"{part}/beach/{i}.jpg" for part in ("train", "Test") for i in range(3)])
    with pytest.raises(DataError, match="Test, train look like splits, not classes"):
        load_data(str(tmp_path), None)


def test_unknown_protocols_list_the_known_ones(folder):
    with pytest.raises(DataError, match="has no protocol 'I'; choose one of tenth, query-database"):
        load_data(str(folder), None, protocol="I")


@pytest.fixture
def divided(tmp_path):
    """Three queries of two classes, six photos of three to find them in."""
    for seed, name in enumerate(QUERIES):
        write_photo(tmp_path / "query" / name, seed)
    touch(
        tmp_path / "database", ["juice/a/1.jpg", "juice/2.jpg", "milk/1.jpg", "milk/2.jpg", "milk/3.jpg", "oats/1.jpg"]
    )
    return tmp_path


def load(divided, **options):
    return load_data(str(divided), None, **options)


def test_both_sides_are_as_they_lie_in_the_folder(divided):
    data = load(divided)
    assert (data.name, data.protocol, data.note) == (divided.name, "query-database", "")
    assert data.classes == ("juice", "milk", "oats")
    assert keys(data.query) == [f"query/{name}" for name in QUERIES]
    assert keys(data.gallery) == [
        *("database/juice/2.jpg", "database/juice/a/1.jpg"),
        *(f"database/milk/{n}.jpg" for n in (1, 2, 3)),
        "database/oats/1.jpg",
    ]
    assert data.query.labels.tolist() == [0, 1, 1]
    assert data.gallery.labels.tolist() == [0, 0, 1, 1, 1, 2]
    assert keys(data.train) == keys(data.gallery)
    assert data.query.photos.photo(2).shape == (3, 10, 12)


def test_all_of_a_class_is_to_be_found_and_nothing_is_junk(divided):
    truth = load(divided).truth
    assert [query.name for query in truth] == list(QUERIES)
    assert [query.good for query in truth] == [(0, 1), (2, 3, 4), (2, 3, 4)]
    assert all((query.ok, query.junk, query.photo, query.box) == ((), (), None, None) for query in truth)


def test_it_is_judged_as_oxford_is(divided):
    data = load(divided)
    gallery = DenseGallery(1, lambda first, second: (first - second.T).abs())
    gallery.add(torch.arange(6.0)[:, None])
    queries = torch.tensor([[0.0], [1.6], [5.0]])
    report = judged_map(gallery, queries, [Judgement(query.positive, query.junk) for query in data.truth])
    # 1.6: 2 1 3 0 4 5; 5: 5 4 3 2 1 0
    second = (1 + 1) / 6 + (1 / 2 + 2 / 3) / 6 + (2 / 4 + 3 / 5) / 6
    third = (0 + 1 / 2) / 6 + (1 / 2 + 2 / 3) / 6 + (2 / 3 + 3 / 4) / 6
    assert report.average_precisions == pytest.approx((1, second, third))
    by_labels = mean_average_precision(gallery, queries, data.query.labels, data.gallery.labels)
    assert by_labels.map == pytest.approx((1 + (1 + 2 / 3 + 3 / 5) / 3 + (1 / 2 + 2 / 3 + 3 / 4) / 3) / 3)


def test_boxes_are_cut_out_of_queries(divided):
    (divided / "query" / "boxes.csv").write_text(
        HEAD + "milk/2.png,2,3,7.6,9\njuice/1.png,0,0,12,10\nmilk/1.jpg,1,1,3,3\n"
    )
    data = load(divided)
    boxes = [(0, 0, 12, 10), (1, 1, 3, 3), (2, 3, 7.6, 9)]
    assert [query.box for query in data.truth] == boxes
    assert [data.query.photos.box(i) for i in range(3)] == boxes
    whole = np.asarray(Image.open(divided / "query" / "milk" / "2.png"))
    found = (data.query.photos.photo(2) * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(found, whole[3:9, 2:8])
    assert data.query.photos.whole(2).shape == (3, 10, 12)
    assert data.gallery.photos.box(0) is None
    assert data.note == ""


def test_queries_without_a_box_stay_whole(divided):
    (divided / "query" / "boxes.csv").write_text("\ufeff" + HEAD + "\nmilk/2.png,2,3,7,9\n", encoding="utf-8")
    data = load(divided)
    assert [query.box for query in data.truth] == [None, None, (2, 3, 7, 9)]
    assert data.query.photos.photo(0).shape == (3, 10, 12)
    assert data.query.photos.photo(2).shape == (3, 6, 5)
    assert data.query.photos.batch([0, 2], 8).shape == (2, 3, 8, 8)
    assert data.note == "2 of 3 queries have no box and stay whole"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"boxes\.csv: the first line is ''; expected 'name,x1,y1,x2,y2'"),
        ("milk/1.jpg,1,2,3,4\n", r"boxes\.csv: the first line is 'milk/1\.jpg,1,2,3,4'; expected 'name,x1,y1,x2,y2'"),
        (
            HEAD + "milk/9.jpg,1,2,3,4\n",
            r"boxes\.csv, line 2: lists milk/9\.jpg, but there is no such photo in .*query",
        ),
        (HEAD + "query/milk/1.jpg,1,2,3,4\n", "line 2: lists query/milk"),
        (HEAD + "milk/1.jpg,1,2,3\n", "line 2: damaged; a box is four numbers"),
        (HEAD + "milk/2.png,1,2,3,4\nmilk/1.jpg,1,2,3,x\n", "line 3: damaged; a box is four numbers"),
        (HEAD + "milk/1.jpg,3,2,1,4\n", "line 2: damaged; 3 2 1 4 is not a box"),
        (HEAD + "milk/1.jpg,1,2,3,4\nmilk/1.jpg,1,2,3,5\n", r"line 3: lists a second box of milk/1\.jpg"),
        (HEAD + '"milk/1.jpg,1,2,3,4\n', "line 2: lists milk/1"),
    ],
)
def test_damaged_boxes_are_named(divided, content, message):
    (divided / "query" / "boxes.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load(divided)


def test_boxes_that_are_no_text_are_named(divided):
    (divided / "query" / "boxes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"boxes\.csv: cannot be read or is damaged"):
        load(divided)


def test_what_is_left_out_is_said(divided):
    touch(divided, ["one.jpg", "query/two.jpg", "database/three.jpg", "train/milk/1.jpg", "database/empty/notes.txt"])
    data = load(divided)
    assert data.classes == ("juice", "milk", "oats")
    assert data.note == (
        "3 photos outside of the class folders are ignored; other folders beside query and database are ignored: train"
    )


def test_a_folder_with_both_is_read_so_unless_asked_otherwise(divided):
    assert load(divided).protocol == load(divided, protocol="query-database").protocol == "query-database"
    with pytest.raises(DataError, match="database, query look like splits, not classes"):
        load(divided, protocol="tenth")
    assert list(FOLDER_PROTOCOLS) == ["tenth", "query-database"]


def test_other_folders_are_not_read_so(divided):
    with pytest.raises(DataError, match=r"database: there are no folders query and database; .*query/milk/1\.jpg"):
        load(divided / "database", protocol="query-database")
    touch(divided, ["database/oats/2.jpg"])
    assert load(divided / "database").protocol == "tenth"


def test_a_class_with_nothing_to_find_is_named(divided):
    touch(divided, ["query/rice/1.jpg", "database/rice/none.txt"])
    with pytest.raises(DataError, match="class rice has queries, but no photo in database for them to find"):
        load(divided)


def test_both_sides_need_class_folders(tmp_path):
    touch(tmp_path, ["query/1.jpg", "database/1.jpg"])
    with pytest.raises(DataError, match="database: 0 classes have photos; expected at least two class folders"):
        load(tmp_path)
    touch(tmp_path, ["database/milk/1.jpg"])
    with pytest.raises(DataError, match="database: 1 classes have photos; expected at least two class folders"):
        load(tmp_path)
    touch(tmp_path, ["database/oats/1.jpg"])
    with pytest.raises(DataError, match="query: no class folder contains photos"):
        load(tmp_path)


def test_names_of_photos(tmp_path):
    touch(tmp_path, ["a/2.jpg", "a/1.PNG", "a/x.txt", "a/.hidden.jpg", "a/in/3.heic", "a/.h/4.jpg"])
    assert photo_names(tmp_path / "a", tmp_path) == ["a/1.PNG", "a/2.jpg"]
    assert photo_names(tmp_path / "a", tmp_path, nested=True) == ["a/1.PNG", "a/2.jpg", "a/in/3.heic"]
