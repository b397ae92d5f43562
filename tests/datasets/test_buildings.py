import os
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import DATASETS, DataError, load_data
from recessive.galleries import DenseGallery
from recessive.galleries.judged import Judgement, judged_map

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
write_buildings, write_revisited, revisited_truth = (
    _trees[name] for name in ("write_buildings", "write_revisited", "revisited_truth")
)


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
    with pytest.raises(DataError, match=r"keble_1_ok\.txt: lists keble_000002, but there is no such photo"):
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
    with pytest.raises(DataError, match=r"keble_1_query\.txt: damaged"):
        load_data("oxford5k", oxford)


def test_missing_judgements_are_named(oxford):
    (oxford / "gt_files" / "keble_1_junk.txt").unlink()
    with pytest.raises(DataError, match=r"oxford5k: .*keble_1_junk\.txt does not exist; download photos and"):
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
    with pytest.raises(DataError, match="keble_1: gallery photo 6 is judged both as relevant and as junk"):
        load_data("oxford5k", oxford)


def test_queries_come_at_their_own_size(oxford):
    boxed, whole = load_data("oxford5k", oxford), load_data("oxford5k", oxford, protocol="whole")
    assert boxed.query.photos.photo(3).shape == (3, 19, 18)
    assert boxed.query.photos.box(3) == (4.0, 6.0, 22.0, 25.0)
    assert whole.query.photos.photo(3).shape == (3, 30, 40)
    assert torch.equal(boxed.query.photos.whole(3), whole.query.photos.photo(3))


@pytest.fixture
def judged_anew(tmp_path):
    write_buildings(tmp_path / "oxford5k" / "jpg", tmp_path / "oxford5k" / "gt_files")
    write_revisited(tmp_path / "roxford5k" / "gnd_roxford5k.pkl", revisited_truth())
    return tmp_path


@pytest.fixture
def change(judged_anew):
    """Writes the judgements anew, changed by a function."""

    def changed(how):
        content = revisited_truth()
        content = how(content) or content
        write_revisited(judged_anew / "roxford5k" / "gnd_roxford5k.pkl", content)
        return judged_anew

    return changed


def test_the_gallery_is_listed_and_has_no_query(judged_anew):
    data = load_data("roxford5k", judged_anew)
    assert [data.gallery.photos.key(i) for i in range(6)] == [
        *(f"all_souls_00000{n}.jpg" for n in (1, 2, 3)),
        *(f"keble_00000{n}.jpg" for n in (1, 2, 3)),
    ]
    assert [data.query.photos.key(i) for i in range(2)] == ["all_souls_000000.jpg", "keble_000000.jpg"]
    assert data.classes == ("all_souls_000000", "keble_000000")
    assert len(data.train) == 0
    assert data.note == "6 photos and 2 queries instead of 4,993 and 70"
    assert data.protocol == "medium" == next(iter(DATASETS["rparis6k"].protocols))


def test_the_order_of_the_list_counts(change):
    def turn(content):
        content["imlist"].reverse()

    data = load_data("roxford5k", change(turn))
    assert data.gallery.photos.key(0) == "keble_000003.jpg"
    assert data.truth[0].good == (0,)


@pytest.mark.parametrize(
    ("protocol", "first", "second"),
    [
        ("easy", (((0,), ()), (2, 1)), (((), ()), (5, 0, 4, 3))),
        ("medium", (((0,), (1,)), (2,)), (((), (4, 3)), (5, 0))),
        ("hard", (((), (1,)), (2, 0)), (((), (4, 3)), (5, 0))),
    ],
)
def test_a_protocol_says_what_is_to_be_found_and_what_is_junk(judged_anew, protocol, first, second):
    data = load_data("roxford5k", judged_anew, protocol=protocol)
    for query, ((good, ok), junk) in zip(data.truth, (first, second), strict=True):
        assert (query.good, query.ok, query.junk) == (good, ok, junk)
        assert query.positive == good + ok
        assert query.photo is None
    assert data.gallery.labels.T.nonzero().tolist() == [
        [row, photo] for row, query in enumerate(data.truth) for photo in sorted(query.positive)
    ]
    assert torch.equal(data.query.labels, torch.eye(2, dtype=torch.bool))
    assert data.note.startswith("1 of 2 queries have nothing to find under easy; ") == (protocol == "easy")


def test_queries_are_cut_out(judged_anew):
    data = load_data("roxford5k", judged_anew)
    assert data.truth[1].box == data.query.photos.box(1) == (4.4, 6.5, 23.0, 25.5)
    whole = np.asarray(Image.open(judged_anew / "oxford5k" / "jpg" / "keble_000000.jpg"))
    found = (data.query.photos.photo(1) * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(found, whole[6:26, 4:23])
    assert data.query.photos.whole(1).shape == (3, 30, 40)


def test_queries_without_anything_to_find_are_counted_apart(judged_anew):
    gallery = DenseGallery(1, lambda first, second: (first - second.T).abs())
    gallery.add(torch.arange(6.0)[:, None])
    queries = torch.tensor([[0.9], [2.9]])

    def judged(protocol):
        truth = load_data("roxford5k", judged_anew, protocol=protocol).truth
        return judged_map(gallery, queries, [Judgement(query.positive, query.junk) for query in truth])

    easy, medium, hard = (judged(protocol) for protocol in ("easy", "medium", "hard"))
    # 0.9: 1 0 2 3 4 5 and 2.9: 3 2 4 1 5 0, in both of which junk is taken out
    assert easy.average_precisions == pytest.approx((1, 0))
    assert medium.average_precisions == pytest.approx((1, (1 + 1) / 4 + (1 / 2 + 2 / 3) / 4))
    assert hard.average_precisions == pytest.approx((1, medium.average_precisions[1]))
    assert [report.without_relevant for report in (easy, medium, hard)] == [1, 0, 0]
    assert (easy.map, easy.answerable.map) == (0.5, 1.0)


def test_everything_may_lie_in_one_folder(tmp_path):
    for base in (tmp_path, tmp_path / "rparis6k"):
        write_buildings(base / "jpg", base / "unused", prefix="paris_", nested=True)
        write_revisited(base / "gnd_rparis6k.pkl", revisited_truth("paris_"))
        data = load_data("rparis6k", tmp_path)
        assert data.gallery.photos.key(3) == "keble/paris_keble_000001.jpg"
        assert data.gallery.photos.photo(3).shape == (3, 30, 40)
        assert data.query.photos.root == base / "jpg"


def test_lists_do_for_arrays_and_arrays_for_lists(change, judged_anew):
    expected = load_data("roxford5k", judged_anew).truth

    def to_lists(content):
        for query in content["gnd"]:
            query.update({key: query[key].tolist() for key in ("easy", "hard", "junk")})

    def to_arrays(content):
        content.update({key: np.array(content[key]) for key in ("imlist", "qimlist")})
        for query in content["gnd"]:
            query["bbx"] = np.array([query["bbx"]])
            query.update({key: query[key].astype(np.float64)[None] for key in ("easy", "hard", "junk")})

    for how in (to_lists, to_arrays):
        assert load_data("roxford5k", change(how)).truth == expected


def test_what_is_missing_is_named(judged_anew):
    (judged_anew / "oxford5k" / "jpg" / "keble_000002.jpg").unlink()
    with pytest.raises(
        DataError, match=r"gnd_roxford5k\.pkl: lists keble_000002, but there is no such photo in .*jpg$"
    ):
        load_data("roxford5k", judged_anew)
    (judged_anew / "oxford5k" / "jpg" / "all_souls_000000.jpg").unlink()
    (judged_anew / "oxford5k" / "jpg").rename(judged_anew / "oxford5k" / "elsewhere")
    with pytest.raises(DataError, match=r"roxford5k: .* has no jpg; download the photos of oxford5k"):
        load_data("roxford5k", judged_anew)
    (judged_anew / "roxford5k" / "gnd_roxford5k.pkl").unlink()
    with pytest.raises(DataError, match=r"roxford5k: .* has no gnd_roxford5k\.pkl; download the photos of oxford5k"):
        load_data("roxford5k", judged_anew)


def test_queries_need_their_photos(judged_anew):
    (judged_anew / "oxford5k" / "jpg" / "keble_000000.jpg").unlink()
    with pytest.raises(DataError, match=r"lists keble_000000, but there is no such photo"):
        load_data("roxford5k", judged_anew)


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_judgements_cannot_run_code(change, tmp_path):
    ran = tmp_path / "ran"
    for how in (
        lambda content: content.update(extra=Evil(ran)),
        lambda content: content["gnd"][0].update(easy=Evil(ran)),
        lambda _: Evil(ran),
    ):
        with pytest.raises(DataError, match=r"gnd_roxford5k\.pkl: is no pickle of plain .* wants to load \w+\.mkdir"):
            load_data("roxford5k", change(how))
    assert not ran.exists()


def put(query, **parts):
    return lambda content: content["gnd"][query].update(parts)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (lambda _: [1, 2], "damaged; expected a dictionary of imlist, qimlist and gnd"),
        (lambda content: content.pop("gnd") and None, "damaged; expected a dictionary of imlist, qimlist and gnd"),
        (lambda content: content.update(imlist=[]), "imlist: damaged; it is empty"),
        (lambda content: content.update(qimlist=[3, 4]), "qimlist: damaged; expected names of photos"),
        (lambda content: content.update(imlist=None), "imlist: damaged; expected names of photos"),
        (lambda content: content["imlist"].append("keble_000001"), "imlist: damaged; it lists a photo twice"),
        (lambda content: content["gnd"].pop() and None, "expected gnd to be a list of 2 judgements"),
        (lambda content: content.update(gnd={}), "expected gnd to be a list of 2 judgements"),
        (lambda content: content["gnd"][1].pop("junk").sum() and None, "query keble_000000: .* a dictionary of bbx"),
        (lambda content: content.update(gnd=[None, None]), "query all_souls_000000: .* a dictionary of bbx"),
        (put(1, bbx=[1, 2, 3]), "query keble_000000, bbx: damaged; a box is four numbers"),
        (put(1, bbx=[1, 2, [3], 4]), "query keble_000000, bbx: damaged; expected numbers"),
        (put(0, bbx=["1", "2", "3", "4"]), "query all_souls_000000, bbx: damaged; expected numbers"),
        (put(0, bbx=[5, 2, 3, 4]), "query all_souls_000000, bbx: damaged; 5 2 3 4 is not a box"),
        (
            put(0, easy=np.array([6])),
            "query all_souls_000000, easy: damaged; expected gallery indices below 6",
        ),
        (put(0, hard=[-1]), "query all_souls_000000, hard: damaged; expected gallery indices below 6"),
        (put(0, junk=np.array([1.5])), "query all_souls_000000, junk: damaged; expected gallery indices"),
        (put(0, junk=np.array([np.nan])), "query all_souls_000000, junk: damaged; expected gallery indices"),
        (put(0, junk=["keble_000001"]), "query all_souls_000000, junk: damaged; expected gallery indices"),
        (put(0, junk=[1]), "query all_souls_000000: damaged; it judges a photo twice"),
        (put(0, easy=[0, 0]), "query all_souls_000000: damaged; it judges a photo twice"),
    ],
)
def test_damaged_judgements_are_named(change, how, message):
    root = change(how)
    for protocol in ("easy", "medium", "hard"):
        with pytest.raises(DataError, match=message) as caught:
            load_data("roxford5k", root, protocol=protocol)
        assert "gnd_roxford5k.pkl" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_cut_short_is_named(judged_anew):
    path = judged_anew / "roxford5k" / "gnd_roxford5k.pkl"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"gnd_roxford5k\.pkl: is no pickle of plain values and arrays, or is damaged"):
        load_data("roxford5k", judged_anew)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_any_protocol_of_pickles_will_do(judged_anew, protocol):
    expected = load_data("roxford5k", judged_anew).truth
    (judged_anew / "roxford5k" / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(revisited_truth(), protocol))
    assert load_data("roxford5k", judged_anew).truth == expected


def test_judgements_that_cannot_be_opened_are_named(judged_anew):
    path = judged_anew / "roxford5k" / "gnd_roxford5k.pkl"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"gnd_roxford5k\.pkl: cannot be read: Is a directory"):
        load_data("roxford5k", judged_anew)
