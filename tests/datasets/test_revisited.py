import os
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.datasets import DATASETS, DataError, load_data, revisited
from recessive.galleries import DenseGallery
from recessive.galleries.judged import Judgement, judged_map

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
write_buildings, write_revisited, revisited_truth = (
    _trees[name] for name in ("write_buildings", "write_revisited", "revisited_truth")
)


@pytest.fixture
def oxford(tmp_path):
    write_buildings(tmp_path / "oxford5k" / "jpg", tmp_path / "oxford5k" / "gt_files")
    write_revisited(tmp_path / "roxford5k" / "gnd_roxford5k.pkl", revisited_truth())
    return tmp_path


@pytest.fixture
def change(oxford):
    """Writes the judgements anew, changed by a function."""

    def changed(how):
        content = revisited_truth()
        content = how(content) or content
        write_revisited(oxford / "roxford5k" / "gnd_roxford5k.pkl", content)
        return oxford

    return changed


def test_the_gallery_is_listed_and_has_no_query(oxford):
    data = load_data("roxford5k", oxford)
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
def test_a_protocol_says_what_is_to_be_found_and_what_is_junk(oxford, protocol, first, second):
    data = load_data("roxford5k", oxford, protocol=protocol)
    for query, ((good, ok), junk) in zip(data.truth, (first, second), strict=True):
        assert (query.good, query.ok, query.junk) == (good, ok, junk)
        assert query.positive == good + ok
        assert query.photo is None
    assert data.gallery.labels.T.nonzero().tolist() == [
        [row, photo] for row, query in enumerate(data.truth) for photo in sorted(query.positive)
    ]
    assert torch.equal(data.query.labels, torch.eye(2, dtype=torch.bool))
    assert data.note.startswith("1 of 2 queries have nothing to find under easy; ") == (protocol == "easy")


def test_queries_are_cut_out(oxford):
    data = load_data("roxford5k", oxford)
    assert data.truth[1].box == data.query.photos.box(1) == (4.4, 6.5, 23.0, 25.5)
    whole = np.asarray(Image.open(oxford / "oxford5k" / "jpg" / "keble_000000.jpg"))
    found = (data.query.photos.photo(1) * 255).round().permute(1, 2, 0).numpy()
    assert np.array_equal(found, whole[6:26, 4:23])
    assert data.query.photos.whole(1).shape == (3, 30, 40)


def test_queries_without_anything_to_find_are_counted_apart(oxford):
    gallery = DenseGallery(1, lambda first, second: (first - second.T).abs())
    gallery.add(torch.arange(6.0)[:, None])
    queries = torch.tensor([[0.9], [2.9]])

    def judged(protocol):
        truth = load_data("roxford5k", oxford, protocol=protocol).truth
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


def test_lists_do_for_arrays_and_arrays_for_lists(change, oxford):
    expected = load_data("roxford5k", oxford).truth

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


def test_what_is_missing_is_named(oxford):
    (oxford / "oxford5k" / "jpg" / "keble_000002.jpg").unlink()
    with pytest.raises(
        DataError, match=r"gnd_roxford5k\.pkl: names keble_000002, of which there is no photo in .*jpg$"
    ):
        load_data("roxford5k", oxford)
    (oxford / "oxford5k" / "jpg" / "all_souls_000000.jpg").unlink()
    (oxford / "oxford5k" / "jpg").rename(oxford / "oxford5k" / "elsewhere")
    with pytest.raises(DataError, match=r"roxford5k: .* has no jpg; get the photos of oxford5k"):
        load_data("roxford5k", oxford)
    (oxford / "roxford5k" / "gnd_roxford5k.pkl").unlink()
    with pytest.raises(DataError, match=r"roxford5k: .* has no gnd_roxford5k\.pkl; get the photos of oxford5k"):
        load_data("roxford5k", oxford)


def test_queries_need_their_photos(oxford):
    (oxford / "oxford5k" / "jpg" / "keble_000000.jpg").unlink()
    with pytest.raises(DataError, match=r"names keble_000000, of which there is no photo"):
        load_data("roxford5k", oxford)


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
        (lambda _: [1, 2], "ought to be a dictionary of imlist, qimlist and gnd"),
        (lambda content: content.pop("gnd") and None, "ought to be a dictionary of imlist, qimlist and gnd"),
        (lambda content: content.update(imlist=[]), "imlist: is damaged; it names no photo"),
        (lambda content: content.update(qimlist=[3, 4]), "qimlist: is damaged; it ought to be names of photos"),
        (lambda content: content.update(imlist=None), "imlist: is damaged; it ought to be names of photos"),
        (lambda content: content["imlist"].append("keble_000001"), "imlist: is damaged; it names a photo twice"),
        (lambda content: content["gnd"].pop() and None, "gnd ought to be a list of 2 judgements"),
        (lambda content: content.update(gnd={}), "gnd ought to be a list of 2 judgements"),
        (lambda content: content["gnd"][1].pop("junk").sum() and None, "query keble_000000: .* a dictionary of bbx"),
        (lambda content: content.update(gnd=[None, None]), "query all_souls_000000: .* a dictionary of bbx"),
        (put(1, bbx=[1, 2, 3]), "query keble_000000, bbx: is damaged; a box is four numbers"),
        (put(1, bbx=[1, 2, [3], 4]), "query keble_000000, bbx: is damaged; it ought to be numbers"),
        (put(0, bbx=["1", "2", "3", "4"]), "query all_souls_000000, bbx: is damaged; it ought to be numbers"),
        (put(0, bbx=[5, 2, 3, 4]), "query all_souls_000000, bbx: is damaged; 5 2 3 4 is no box"),
        (
            put(0, easy=np.array([6])),
            "query all_souls_000000, easy: is damaged; it ought to be gallery indices below 6",
        ),
        (put(0, hard=[-1]), "query all_souls_000000, hard: is damaged; it ought to be gallery indices below 6"),
        (put(0, junk=np.array([1.5])), "query all_souls_000000, junk: is damaged; it ought to be gallery indices"),
        (put(0, junk=np.array([np.nan])), "query all_souls_000000, junk: is damaged; it ought to be gallery indices"),
        (put(0, junk=["keble_000001"]), "query all_souls_000000, junk: is damaged; it ought to be gallery indices"),
        (put(0, junk=[1]), "query all_souls_000000: is damaged; it judges a photo twice"),
        (put(0, easy=[0, 0]), "query all_souls_000000: is damaged; it judges a photo twice"),
    ],
)
def test_damaged_judgements_are_named(change, how, message):
    root = change(how)
    for protocol in ("easy", "medium", "hard"):
        with pytest.raises(DataError, match=message) as caught:
            load_data("roxford5k", root, protocol=protocol)
        assert "gnd_roxford5k.pkl" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_cut_short_is_named(oxford):
    path = oxford / "roxford5k" / "gnd_roxford5k.pkl"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"gnd_roxford5k\.pkl: is no pickle of plain values and arrays, or is damaged"):
        load_data("roxford5k", oxford)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_any_protocol_of_pickles_will_do(oxford, protocol):
    expected = load_data("roxford5k", oxford).truth
    (oxford / "roxford5k" / "gnd_roxford5k.pkl").write_bytes(pickle.dumps(revisited_truth(), protocol))
    assert load_data("roxford5k", oxford).truth == expected


def test_a_ground_truth_that_cannot_be_opened_is_named(tmp_path):
    for path, problem in ((tmp_path, "Is a directory"), (tmp_path / "none.pkl", "No such file")):
        with pytest.raises(DataError, match=f"{path.name}: cannot be read: {problem}"):
            revisited._contents(path)
