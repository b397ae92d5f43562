import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import DataError, load_data

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
write_buildings = _trees["write_buildings"]


@pytest.fixture
def oxford(tmp_path):
    write_buildings(tmp_path / "jpg", tmp_path / "gt_files", query_prefix="oxc1_")
    return tmp_path


def test_the_judgements_are_those_of_the_files(oxford):
    data = load_data("oxford5k", oxford)
    assert [data.gallery.photos.key(i) for i in (0, 3, 4)] == [
        "all_souls_000000.jpg",
        "all_souls_000003.jpg",
        "keble_000000.jpg",
    ]
    assert [query.name for query in data.truth] == ["all_souls_1", "all_souls_2", "keble_1", "keble_2"]
    query = data.truth[3]
    assert (query.photo, query.box) == (5, (4.0, 6.0, 22.0, 25.0))
    assert (query.good, query.ok, query.junk) == ((4, 5), (6,), (7,))
    assert data.note == "8 photos and 4 queries instead of 5,062 and 55"


def test_labels_say_good_or_ok_and_never_junk(oxford):
    data = load_data("oxford5k", oxford)
    assert data.classes == ("all_souls", "keble")
    assert data.query.labels.tolist() == [[True, False]] * 2 + [[False, True]] * 2
    relevant = (data.query.labels.float() @ data.gallery.labels.float().T) > 0
    for row, query in enumerate(data.truth):
        assert set(relevant[row].nonzero().flatten().tolist()) == {*query.good, *query.ok}


def test_boxes_are_cut_out_of_queries(oxford):
    boxed, whole = load_data("oxford5k", oxford), load_data("oxford5k", oxford, protocol="whole")
    photo = Image.open(oxford / "jpg" / "keble_000001.jpg")
    expected = np.asarray(photo.resize((16, 16), Image.Resampling.BICUBIC, box=(4, 6, 22, 25)))
    assert np.array_equal(boxed.query.photos.batch([3], 16)[0].permute(1, 2, 0).numpy(), expected)
    assert torch.equal(whole.query.photos.batch([3], 16), whole.gallery.photos.batch([5], 16))
    assert boxed.query.photos.key(3) == whole.query.photos.key(3) == whole.gallery.photos.key(5)


def test_corrupt_photos_of_paris_are_left_out(tmp_path):
    write_buildings(tmp_path / "paris", tmp_path / "paris_120310", prefix="paris_", nested=True)
    (tmp_path / "paris" / "keble" / "paris_louvre_000136.jpg").touch()
    good = tmp_path / "paris_120310" / "keble_1_good.txt"
    good.write_text(good.read_text() + "paris_louvre_000136\n")
    data = load_data("paris6k", tmp_path)
    assert len(data.gallery) == 8
    assert data.note.startswith("1 corrupt photos are left out; 8 photos")
    assert data.truth[2].good == (4, 5)
    assert data.gallery.photos.key(4) == "keble/paris_keble_000000.jpg"


def test_photos_of_the_judgements_must_be_there(oxford):
    (oxford / "jpg" / "keble_000002.jpg").unlink()
    with pytest.raises(DataError, match=r"keble_1_ok\.txt: names keble_000002, of which there is no photo"):
        load_data("oxford5k", oxford)
    (oxford / "gt_files" / "all_souls_1_query.txt").write_text("oxc1_somewhere_000001 1 2 3 4")
    with pytest.raises(DataError, match=r"all_souls_1_query\.txt: names somewhere_000001"):
        load_data("oxford5k", oxford)


@pytest.mark.parametrize(
    "content", ["", "oxc1_keble_000000 1 2 3", "oxc1_keble_000000 1 2 3 x", "keble_000000 1 2 3 4 5"]
)
def test_damaged_queries_are_named(oxford, content):
    (oxford / "gt_files" / "keble_1_query.txt").write_text(content)
    with pytest.raises(DataError, match=r"keble_1_query\.txt: is damaged"):
        load_data("oxford5k", oxford)


def test_missing_judgements_are_named(oxford):
    (oxford / "gt_files" / "keble_1_junk.txt").unlink()
    with pytest.raises(DataError, match=r"oxford5k: .*keble_1_junk\.txt does not exist; get photos and ground truth"):
        load_data("oxford5k", oxford)
    for path in (oxford / "gt_files").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"gt_files has no \*_query\.txt"):
        load_data("oxford5k", oxford)


def test_a_query_with_nothing_to_find_is_refused(oxford):
    for judgement in ("good", "ok"):
        (oxford / "gt_files" / f"keble_2_{judgement}.txt").write_text("")
    with pytest.raises(DataError, match=r"keble_2_query\.txt: the query has nothing to find"):
        load_data("oxford5k", oxford)
