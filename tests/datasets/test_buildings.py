import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import DataError, load_data
from recessive.galleries import DenseGallery
from recessive.galleries.judged import Judgement, judged_map

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
    "content",
    ["", *(f"oxc1_keble_000000 {box}" for box in ("1 2 3", "1 2 3 x", "1 2 3 4 5", "1 2 nan 4", "3 2 1 4", "1 2 3 2"))],
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


def test_queries_are_judged_by_good_ok_and_junk(oxford):
    """By hand: a gallery of the photos' places, in which each query stands next to its own photo."""
    data = load_data("oxford5k", oxford)
    judgements = [Judgement(query.positive, query.junk) for query in data.truth]
    assert judgements[3] == Judgement((4, 5, 6), (7,))
    gallery = DenseGallery(1, lambda first, second: (first - second.T).abs())
    gallery.add(torch.arange(8.0)[:, None])
    report = judged_map(gallery, torch.tensor([[0.0], [4.2], [0.0], [5.6]]), judgements)
    # 0 1 2 (3) 4 ...: all of them first
    # 4 5 (3) 6 2 7 1 0: wrong ones first; positive ranks 4, 6 and 7 of 7, of 8 places without the third
    # 0 1 2 3 4 5 6 (7): ranks 5, 6, 7
    # 6 5 (7) 4: all of them first
    second = ((0 + 1 / 4) + (1 / 5 + 2 / 6) + (2 / 6 + 3 / 7)) / 6
    third = ((0 + 1 / 5) + (1 / 5 + 2 / 6) + (2 / 6 + 3 / 7)) / 6
    assert report.average_precisions == pytest.approx((1, second, third, 1))
    assert (report.queries, report.without_relevant) == (4, 0)


def test_a_photo_listed_twice_counts_once(oxford):
    (oxford / "gt_files" / "keble_1_good.txt").write_text("keble_000000\nkeble_000001\nkeble_000000\n")
    (oxford / "gt_files" / "keble_1_ok.txt").write_text("keble_000001\nkeble_000002\n")
    query = load_data("oxford5k", oxford).truth[2]
    assert query.good == (4, 5)
    assert query.positive == (4, 5, 6)
    (oxford / "gt_files" / "keble_1_junk.txt").write_text("keble_000002\n")
    with pytest.raises(DataError, match="keble_1: photo 6 of the gallery is judged twice"):
        load_data("oxford5k", oxford)


def test_queries_come_at_their_own_size(oxford):
    boxed, whole = load_data("oxford5k", oxford), load_data("oxford5k", oxford, protocol="whole")
    assert boxed.query.photos.photo(3).shape == (3, 19, 18)
    assert boxed.query.photos.box(3) == (4.0, 6.0, 22.0, 25.0)
    assert whole.query.photos.photo(3).shape == (3, 30, 40)
    assert torch.equal(boxed.query.photos.whole(3), whole.query.photos.photo(3))
