import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import FOLDER_PROTOCOLS, DataError, load_data
from recessive.galleries import DenseGallery, mean_average_precision
from recessive.galleries.judged import Judgement, judged_map

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
touch, write_photo = _trees["touch"], _trees["write_photo"]

QUERIES = ("juice/1.png", "milk/1.jpg", "milk/2.png")
HEAD = "name,x1,y1,x2,y2\n"


@pytest.fixture
def folder(tmp_path):
    """Three queries of two classes, six photos of three to find them in."""
    for seed, name in enumerate(QUERIES):
        write_photo(tmp_path / "query" / name, seed)
    touch(
        tmp_path / "database", ["juice/a/1.jpg", "juice/2.jpg", "milk/1.jpg", "milk/2.jpg", "milk/3.jpg", "oats/1.jpg"]
    )
    return tmp_path


def keys(split):
    return [split.photos.key(i) for i in range(len(split))]


def load(folder, **options):
    return load_data(str(folder), None, **options)


def test_both_sides_are_as_they_lie_in_the_folder(folder):
    data = load(folder)
    assert (data.name, data.protocol, data.note) == (folder.name, "query-database", "")
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


def test_all_of_a_class_is_to_be_found_and_nothing_is_junk(folder):
    truth = load(folder).truth
    assert [query.name for query in truth] == list(QUERIES)
    assert [query.good for query in truth] == [(0, 1), (2, 3, 4), (2, 3, 4)]
    assert all((query.ok, query.junk, query.photo, query.box) == ((), (), None, None) for query in truth)


def test_it_is_judged_as_oxford_is(folder):
    data = load(folder)
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


def test_boxes_are_cut_out_of_queries(folder):
    (folder / "query" / "boxes.csv").write_text(
        HEAD + "milk/2.png,2,3,7.6,9\njuice/1.png,0,0,12,10\nmilk/1.jpg,1,1,3,3\n"
    )
    data = load(folder)
    boxes = [(0, 0, 12, 10), (1, 1, 3, 3), (2, 3, 7.6, 9)]
    assert [query.box for query in data.truth] == boxes
    assert [data.query.photos.box(i) for i in range(3)] == boxes
    whole = np.asarray(Image.open(folder / "query" / "milk" / "2.png"))
    found = (data.query.photos.photo(2) * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(found, whole[3:9, 2:8])
    assert data.query.photos.whole(2).shape == (3, 10, 12)
    assert data.gallery.photos.box(0) is None
    assert data.note == ""


def test_queries_without_a_box_stay_whole(folder):
    (folder / "query" / "boxes.csv").write_text("\ufeff" + HEAD + "\nmilk/2.png,2,3,7,9\n", encoding="utf-8")
    data = load(folder)
    assert [query.box for query in data.truth] == [None, None, (2, 3, 7, 9)]
    assert data.query.photos.photo(0).shape == (3, 10, 12)
    assert data.query.photos.photo(2).shape == (3, 6, 5)
    assert data.query.photos.batch([0, 2], 8).shape == (2, 3, 8, 8)
    assert data.note == "2 of 3 queries have no box and are whole"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"boxes\.csv: begins with ''; needed is 'name,x1,y1,x2,y2'"),
        ("milk/1.jpg,1,2,3,4\n", r"boxes\.csv: begins with 'milk/1\.jpg,1,2,3,4'; needed is 'name,x1,y1,x2,y2'"),
        (
            HEAD + "milk/9.jpg,1,2,3,4\n",
            r"boxes\.csv, line 2: names milk/9\.jpg, of which there is no photo in .*query",
        ),
        (HEAD + "query/milk/1.jpg,1,2,3,4\n", "line 2: names query/milk"),
        (HEAD + "milk/1.jpg,1,2,3\n", "line 2: is damaged; a box is four numbers"),
        (HEAD + "milk/2.png,1,2,3,4\nmilk/1.jpg,1,2,3,x\n", "line 3: is damaged; a box is four numbers"),
        (HEAD + "milk/1.jpg,3,2,1,4\n", "line 2: is damaged; 3 2 1 4 is no box"),
        (HEAD + "milk/1.jpg,1,2,3,4\nmilk/1.jpg,1,2,3,5\n", r"line 3: milk/1\.jpg has a box already"),
        (HEAD + '"milk/1.jpg,1,2,3,4\n', "line 2: names milk/1"),
    ],
)
def test_damaged_boxes_are_named(folder, content, message):
    (folder / "query" / "boxes.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load(folder)


def test_boxes_that_are_no_text_are_named(folder):
    (folder / "query" / "boxes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"boxes\.csv: cannot be read or is damaged"):
        load(folder)


def test_what_is_left_out_is_said(folder):
    touch(folder, ["one.jpg", "query/two.jpg", "database/three.jpg", "train/milk/1.jpg", "database/empty/notes.txt"])
    data = load(folder)
    assert data.classes == ("juice", "milk", "oats")
    assert data.note == (
        "3 photos outside the class folders are left out; folders beside query and database are left out: train"
    )


def test_a_folder_with_both_is_read_so_unless_asked_otherwise(folder):
    assert load(folder).protocol == load(folder, protocol="query-database").protocol == "query-database"
    with pytest.raises(DataError, match="database, query look like splits, not classes"):
        load(folder, protocol="tenth")
    assert list(FOLDER_PROTOCOLS) == ["tenth", "query-database"]


def test_other_folders_are_not_read_so(folder):
    with pytest.raises(DataError, match=r"database: has no folders query and database .* such as .*query/milk/1\.jpg"):
        load(folder / "database", protocol="query-database")
    touch(folder, ["database/oats/2.jpg"])
    assert load(folder / "database").protocol == "tenth"


def test_a_class_with_nothing_to_find_is_named(folder):
    touch(folder, ["query/rice/1.jpg", "database/rice/none.txt"])
    with pytest.raises(DataError, match="class rice has queries, but no photo in database for them to find"):
        load(folder)


def test_both_sides_need_class_folders(tmp_path):
    touch(tmp_path, ["query/1.jpg", "database/1.jpg"])
    with pytest.raises(DataError, match="database: photos of 0 classes; needed are two or more class folders"):
        load(tmp_path)
    touch(tmp_path, ["database/milk/1.jpg"])
    with pytest.raises(DataError, match="database: photos of 1 classes; needed are two or more class folders"):
        load(tmp_path)
    touch(tmp_path, ["database/oats/1.jpg"])
    with pytest.raises(DataError, match="query: has no class folder with photos in it"):
        load(tmp_path)
