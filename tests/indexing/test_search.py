"""Searching an index."""

import os
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from recessive.encoders import SIFT, Vocabulary, make_backbone, make_hash_network, save_checkpoint
from recessive.errors import SettingsError
from recessive.galleries.index_file import IndexFile, IndexFileError, read_index, write_index
from recessive.indexing.index import index_photos
from recessive.indexing.search import PhotoIndex, search_index
from recessive.photos import PhotoError
from recessive.searchers import features

KINDS = ["cedd", "gist", "gist-colour", "conv-gem", "conv-hash", "gem:conv", "bovw", "bovw-he", "bovw-burst"]


def bricks(seed, side=96):
    """Levels (side, side, 3) of bricks in random colours: many corners."""
    colours = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3))
    return np.kron(colours, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Six photos, one of them black."""
    for number in range(6):
        path = tmp_path / "photos" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(bricks(number) if number else np.zeros_like(bricks(0))).save(path)
    return tmp_path / "photos"


@pytest.fixture
def indexed(folder, tmp_path):
    """Indexes the photos by an encoder: the index."""

    def make(encoder, **options):
        if encoder.startswith("bovw") and "vocabulary" not in options:
            options["words"] = 25
        index_photos(folder, tmp_path / "photos.index", encoder, **options)
        return tmp_path / "photos.index"

    return make


@pytest.mark.parametrize("encoder", KINDS)
def test_a_photo_of_the_index_is_found_first(indexed, folder, encoder):
    index = indexed(encoder)
    report = search_index(index, folder / "3.png", 4)
    first, second = report.results[:2]
    assert (first.rank, first.path) == (1, str(folder / "3.png"))
    assert first.distance < second.distance
    assert first.score > second.score
    if encoder in ("bovw-he", "bovw-burst"):  # signatures vote by pairs of features: a copy has not all votes
        assert 0 < first.distance < 1
    else:
        assert (first.distance, first.score) == (pytest.approx(0, abs=2e-6), pytest.approx(1, abs=2e-6))
    assert [found.rank for found in report.results] == list(range(1, len(report.results) + 1))
    assert sorted(found.distance for found in report.results) == [found.distance for found in report.results]


def test_a_report_says_what_was_searched(indexed, folder):
    index = indexed("bovw")
    report = search_index(index, folder / "2.png", 1, (0, 0, 96, 48))
    assert asdict(report) == {
        "photo": str(folder / "2.png"),
        "box": (0, 0, 96, 48),
        "index": str(index),
        "encoder": "bovw --words 25",
        "photos": 6,
        "features": report.features,
        "results": tuple(map(asdict, report.results)),
        "describing_seconds": report.describing_seconds,
        "searching_seconds": report.searching_seconds,
        "notes": (),
    }
    assert report.features > 10
    assert report.describing_seconds > 0
    assert search_index(indexed("cedd", overwrite=True), folder / "2.png", 1).features is None


def test_an_index_is_opened_once_for_many_searches(indexed, folder):
    opened = PhotoIndex(indexed("bovw-he"))
    assert (len(opened), opened.card.photos, opened.card.settings.words) == (6, 6, 25)
    for number in (1, 4, 5):
        assert opened.search(folder / f"{number}.png", 1).results[0].path == str(folder / f"{number}.png")


def test_more_results_than_photos(indexed, folder):
    report = search_index(indexed("cedd"), folder / "3.png", 1000)
    assert (len(report.results), report.notes) == (6, ())
    assert len({found.path for found in report.results}) == 6


def test_by_words_only_photos_that_share_some_are_found(indexed, folder):
    report = search_index(indexed("bovw"), folder / "3.png", 1000)
    assert str(folder / "0.png") not in {found.path for found in report.results}  # the black one
    assert len(report.results) == 5
    assert report.notes == ("5 photos share visual words with the query; words that all photos have do not count",)


@pytest.mark.parametrize("levels", [np.zeros((50, 50, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)])
def test_a_query_without_features_finds_nothing_by_words(indexed, photo, levels):
    query = photo("query.png", levels)
    report = search_index(indexed("bovw-he"), query)
    assert (report.results, report.features) == ((), 0)
    assert report.notes == ("the query has no local features: nothing is found by visual words",)
    assert len(search_index(indexed("cedd", overwrite=True), query).results) == 6


def test_a_part_of_a_photo_finds_the_photo_that_has_it(indexed, folder, photo):
    collage = np.zeros((96, 288, 3), np.uint8)
    collage[:, :96], collage[:, 192:] = bricks(1), bricks(4)
    query = photo("collage.png", collage)
    for encoder in ("bovw", "conv-gem"):
        index = indexed(encoder, overwrite=True)
        assert search_index(index, query, 1, (0, 0, 96, 96)).results[0].path == str(folder / "1.png")
        assert search_index(index, query, 1, (191.7, -3, 999, 96.2)).results[0].path == str(folder / "4.png")


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ((10, 0, 10, 20), "--box 10 0 10 20: name its left, top, right and bottom edge, in this order"),
        ((0, 30, 10, 20), "in this order"),
        ((0, 0, float("nan"), 5), "in this order"),
        ((0, 0, float("inf"), 5), "in this order"),
        ((96, 0, 200, 50), "3.png: the box 96 0 200 50 contains no part of the photo, which is 96 wide and 96 high"),
        ((0.1, 0, 0.2, 50), "contains no part of the photo"),
    ],
)
def test_boxes_that_hold_nothing(indexed, folder, box, said):
    for encoder in ("bovw", "gem:conv"):
        opened = PhotoIndex(indexed(encoder, overwrite=True))
        with pytest.raises(SettingsError, match=said):
            opened.search(folder / "3.png", 1, box)


def test_no_results_cannot_be_asked_for(indexed, folder):
    with pytest.raises(SettingsError, match="-k must be at least 1, not 0"):
        search_index(indexed("cedd"), folder / "3.png", 0)


def test_a_query_that_cannot_be_read(indexed, broken, tmp_path):
    opened = PhotoIndex(indexed("cedd"))
    with pytest.raises(PhotoError, match="is damaged"):
        opened.search(broken)
    with pytest.raises(PhotoError, match=r"missing\.png: does not exist"):
        opened.search(tmp_path / "missing.png")


def test_unusual_names_are_found(tmp_path, photo):
    names = ["æ/日本 😀.png", "new\nline.png", os.fsdecode(b"latin-\xe9.png")]
    for number, name in enumerate(names):
        folder = photo(f"odd/{number}.png", bricks(number)).parent
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{number}.png").rename(folder / name)
    index_photos(folder, tmp_path / "odd.index", "cedd")
    for name in names:
        assert search_index(tmp_path / "odd.index", folder / name, 1).results[0].path == str(folder / name)


def test_the_vocabulary_is_that_of_the_index(indexed, folder, tmp_path, monkeypatch):
    file = tmp_path / "v.safetensors"
    one, other = (
        Vocabulary.train(SIFT().features(torch.from_numpy(bricks(seed) / 255).float().permute(2, 0, 1)).descriptors, 25)
        for seed in (10, 11)
    )
    one.save(file)
    index = indexed("bovw-he", vocabulary=file)
    file.unlink()
    assert search_index(index, folder / "3.png").results[0].path == str(folder / "3.png")

    monkeypatch.setattr(features, "bundled_vocabulary", lambda: other)
    index.unlink()
    index_photos(folder, index, "bovw-he")
    monkeypatch.setattr(features, "bundled_vocabulary", lambda: pytest.fail("the index has its own"))
    assert search_index(index, folder / "3.png").results[0].path == str(folder / "3.png")


def test_another_version_of_the_encoder_is_refused(indexed, folder):
    index = indexed("gem:conv", scales=(1, 0.5))
    stored = read_index(index)
    write_index(index, IndexFile({**stored.card, "digest": "f" * 64}, stored.names, stored.stamps, stored.gallery))
    with pytest.raises(SettingsError) as refused:
        search_index(index, folder / "3.png")
    said = str(refused.value)
    assert said.startswith(f"{index} was made by gem:conv --scales 1 0.5 with the digest ffffffffffff, which now has ")
    assert said.endswith(f"recessive index {folder} --encoder gem:conv --scales 1 0.5 --out {index} --overwrite")


def test_weights_that_changed_or_are_gone_are_refused(folder, tmp_path):
    weights, index = tmp_path / "own.safetensors", tmp_path / "photos.index"
    for seed in range(2):
        torch.manual_seed(seed)
        save_checkpoint(
            weights, make_hash_network("own", make_backbone("small-plain"), 12), {"backbone": "small-plain"}
        )
        if not seed:
            index_photos(folder, index, str(weights))
            assert len(search_index(index, folder / "3.png").results) == 6
    with pytest.raises(SettingsError, match=f"made by {weights} with the digest .* index them again"):
        search_index(index, folder / "3.png")
    weights.unlink()
    with pytest.raises(
        SettingsError, match=f"made by {weights}, which is not available: .*no encoder or file is called"
    ):
        search_index(index, folder / "3.png")


def test_damaged_indexes_are_one_clear_error(indexed, folder):
    index = indexed("bovw")
    whole = index.read_bytes()
    for length in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        index.write_bytes(whole[:length])
        with pytest.raises(IndexFileError, match=r"photos.index: is damaged or cut short, or no index: "):
            search_index(index, folder / "3.png")
    index.write_bytes(whole)
    stored = read_index(index)
    cases = [
        (
            {**stored.card, "settings": {"encoder": "bovw"}},
            stored.gallery,
            stored.vocabulary,
            "its card is incomplete",
        ),
        ({"digest": "0"}, stored.gallery, stored.vocabulary, "its card is incomplete"),
        (stored.card, {}, stored.vocabulary, "arrays"),
        (stored.card, stored.gallery, {"words": np.zeros((2, 128), np.uint8)}, "its vocabulary: "),
    ]
    for card, gallery, vocabulary, said in cases:
        write_index(index, IndexFile(card, stored.names, stored.stamps, gallery, vocabulary))
        with pytest.raises(IndexFileError, match=rf"photos.index: is damaged: .*{said}"):
            search_index(index, folder / "3.png")
    fewer = IndexFile(stored.card, stored.names[1:], stored.stamps[1:], stored.gallery, stored.vocabulary)
    write_index(index, fewer)
    with pytest.raises(IndexFileError, match="5 names, 6 photos"):
        search_index(index, folder / "3.png")


def test_an_index_of_one_photo(photo, tmp_path):
    only = photo("one/only.png", bricks(7))
    index_photos(only.parent, tmp_path / "one.index", "conv-hash")
    report = search_index(tmp_path / "one.index", only)
    assert [(found.rank, found.path, found.distance) for found in report.results] == [(1, str(only), 0)]
    index_photos(only.parent, tmp_path / "one.index", "bovw", words=5, overwrite=True)
    report = search_index(tmp_path / "one.index", only)
    assert report.results == ()  # all words are in all photos, and so tell nothing
    assert report.notes == ("no photos share visual words with the query; words that all photos have do not count",)
