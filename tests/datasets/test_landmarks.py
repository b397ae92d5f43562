import runpy
from pathlib import Path

import pytest

from recessive.datasets import DataError, load_data

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
landmark_ids, write_landmarks = _trees["landmark_ids"], _trees["write_landmarks"]


@pytest.fixture
def base(tmp_path):
    write_landmarks(tmp_path, {3: 50, 5: 51, 8: 49})
    return tmp_path


def test_landmarks_with_enough_photos_are_the_classes(base):
    data = load_data("landmarks", base)
    assert data.classes == ("3", "5")
    assert data.note == "landmarks by train.csv; incomplete copy: 2 of 100 landmarks"
    assert data.query.labels.bincount().tolist() == [5, 5]
    assert data.gallery.labels.bincount().tolist() == [45, 46]
    for split in (data.query, data.gallery):
        for row, label in enumerate(split.labels.tolist()):
            key = split.photos.key(row)
            photo = key.split("/")[-1].removesuffix(".jpg")
            assert key == f"train/{photo[0]}/{photo[1]}/{photo[2]}/{photo}.jpg"
            assert photo.startswith(f"{int(data.classes[label]):03x}")


def test_the_clean_list_goes_first(base):
    lines = [f"{landmark},{' '.join(landmark_ids(landmark, count))}" for landmark, count in ((5, 51), (8, 49), (3, 50))]
    (base / "train_clean.csv").write_text("landmark_id,images\n" + "\n".join(lines))
    data = load_data("landmarks", base)
    assert data.note.startswith("landmarks by train_clean.csv")
    assert len(data.query) + len(data.gallery) == 101


def test_landmarks_that_are_not_on_disk_are_passed_over(base):
    next((base / "train" / "0" / "0" / "3").iterdir()).unlink()
    with pytest.raises(DataError, match="at least two landmarks with 50 photos are needed, but there are 1"):
        load_data("landmarks", base)


def test_a_missing_list_is_said(base):
    (base / "train.csv").unlink()
    with pytest.raises(
        DataError, match=r"landmarks: .* has neither train_clean\.csv nor train\.csv beside train; down"
    ):
        load_data("landmarks", base)


HEAD = "id,url,landmark_id\n"


@pytest.mark.parametrize(
    "content",
    ["a,b\n1,2\n", HEAD + "0011,x\n", HEAD + "../../x,u,1\n", HEAD + "abc,u,one\n", "landmark_id,images\n1\n"],
)
def test_damaged_lists_are_named(base, content):
    (base / "train.csv").write_text(content)
    with pytest.raises(DataError, match=r"train\.csv: damaged"):
        load_data("landmarks", base)


def test_an_empty_list_is_said(base):
    (base / "train.csv").write_text("")
    with pytest.raises(DataError, match="two landmarks with 50 photos are needed, but there are 0"):
        load_data("landmarks", base)
