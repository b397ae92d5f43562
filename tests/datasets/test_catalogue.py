"""What every data set promises, and finding them by name."""

import hashlib
from dataclasses import replace

import pytest
import torch

from recessive.datasets import DATASETS, DataError, Download, load_data

SIZES = {  # query, gallery and train in the small trees
    ("cifar-10", "hashstash"): (1_000, 5_200, 5_200),
    ("cifar-10", "I"): (1_000, 5_300, 5_000),
    ("cifar-10", "II"): (1_100, 5_200, 5_200),
    ("fashion-mnist", "hashstash"): (1_000, 5_200, 5_200),
    ("fashion-mnist", "I"): (1_000, 5_300, 5_000),
    ("fashion-mnist", "II"): (1_100, 5_200, 5_200),
    ("mnist", "hashstash"): (1_000, 5_200, 5_200),
    ("mnist", "I"): (1_000, 5_300, 5_000),
    ("mnist", "II"): (1_100, 5_200, 5_200),
    ("imagenet-100", "hashnet"): (6, 309, 300),
    ("imagenet-100", "all"): (6, 309, 309),
    ("places365-36", "hashnet"): (6, 309, 300),
    ("places365-36", "all"): (6, 309, 309),
    ("flickr-25k", "38"): (2_000, 5_100, 5_000),
    ("flickr-25k", "24"): (2_000, 5_100, 5_000),
    ("flickr-25k", "rnm"): (500, 6_600, 6_600),
    ("nus-wide-21", "hashnet"): (2_100, 12_390, 10_500),
    ("nus-wide-21", "rnm"): (500, 13_990, 13_990),
    ("landmarks", "100"): (15, 142, 142),
    ("oxford5k", "box"): (4, 8, 0),
    ("oxford5k", "whole"): (4, 8, 0),
    ("paris6k", "box"): (4, 8, 0),
    ("paris6k", "whole"): (4, 8, 0),
    ("roxford5k", "easy"): (2, 6, 0),
    ("roxford5k", "medium"): (2, 6, 0),
    ("roxford5k", "hard"): (2, 6, 0),
    ("rparis6k", "easy"): (2, 6, 0),
    ("rparis6k", "medium"): (2, 6, 0),
    ("rparis6k", "hard"): (2, 6, 0),
}
JUDGED = {"oxford5k", "paris6k", "roxford5k", "rparis6k"}
MULTI_LABEL = {"flickr-25k", "nus-wide-21"} | JUDGED
QUERY_STAYS_IN_GALLERY = {"oxford5k", "paris6k"}
# Nothing is drawn in these, or all classes of the small tree are.
SEEDLESS = {p for p in SIZES if p[1] in ("II", "all")} | {p for p in SIZES if p[0] in JUDGED}


def keys(split):
    return [split.photos.key(i) for i in range(len(split))]


@pytest.fixture(scope="module")
def load(root):
    loaded = {}

    def cached(name, protocol, seed=0):
        if (name, protocol, seed) not in loaded:
            loaded[name, protocol, seed] = load_data(name, root, protocol=protocol, seed=seed)
        return loaded[name, protocol, seed]

    return cached


def test_every_protocol_is_tested():
    assert set(SIZES) == {(name, protocol) for name, dataset in DATASETS.items() for protocol in dataset.protocols}
    assert list(DATASETS) == [dataset.name for dataset in DATASETS.values()]


@pytest.mark.parametrize(("name", "protocol"), SIZES)
def test_splits_have_their_sizes_and_do_not_overlap(load, name, protocol):
    data = load(name, protocol)
    query, gallery, train = keys(data.query), keys(data.gallery), keys(data.train)
    assert (len(query), len(gallery), len(train)) == SIZES[name, protocol]
    assert len(set(gallery)) == len(gallery)
    assert len(set(train)) == len(train)
    assert set(train) <= set(gallery)
    if name in QUERY_STAYS_IN_GALLERY:
        assert set(query) <= set(gallery)
    else:
        assert len(set(query)) == len(query)
        assert not set(query) & set(gallery)


@pytest.mark.parametrize(("name", "protocol"), SIZES)
def test_labels_have_their_shape(load, name, protocol):
    data = load(name, protocol)
    assert (data.name, data.protocol, data.multi_label) == (name, protocol, name in MULTI_LABEL)
    for split in (data.query, data.gallery, data.train):
        if data.multi_label:
            assert (split.labels.dtype, split.labels.shape[1]) == (torch.bool, len(data.classes))
            assert name in JUDGED or bool(split.labels.any(dim=1).all())
        else:
            assert split.labels.dtype == torch.int64
            assert split.labels.unique().tolist() == list(range(len(data.classes)))


@pytest.mark.parametrize(("name", "protocol"), SIZES)
def test_judgements_agree_with_the_labels(load, name, protocol):
    data = load(name, protocol)
    assert len(data.truth) == (len(data.query) if name in JUDGED else 0)
    shared = (data.query.labels.float() @ data.gallery.labels.float().T) > 0 if data.truth else None
    for row, query in enumerate(data.truth):
        assert set(shared[row].nonzero().flatten().tolist()) == set(query.positive)
        assert (query.photo is not None) == (name in QUERY_STAYS_IN_GALLERY)


@pytest.mark.parametrize(("name", "protocol"), SIZES)
def test_a_seed_decides_the_splits(root, load, name, protocol):
    first, again, other = load(name, protocol), load_data(name, root, protocol=protocol), load(name, protocol, seed=1)

    def same(one, two):
        pairs = ((getattr(one, name), getattr(two, name)) for name in ("query", "gallery", "train"))
        return all(keys(a) == keys(b) and torch.equal(a.labels, b.labels) for a, b in pairs)

    assert same(again, first)
    assert same(other, first) == ((name, protocol) in SEEDLESS)


def test_the_first_protocol_is_the_default(root):
    assert load_data("mnist", root).protocol == "hashstash"
    assert next(iter(DATASETS["mnist"].protocols)) == "hashstash"


def test_unknown_names_list_the_known_ones(root, tmp_path):
    with pytest.raises(DataError, match=r"unknown data set 'cifar10'; choose one of cifar-10, .*rparis6k, or a folder"):
        load_data("cifar10", root)
    with pytest.raises(DataError, match="unknown data set"):
        load_data(str(tmp_path / "nothing"), None)
    with pytest.raises(DataError, match="mnist has no protocol 'III'; choose one of hashstash, I, II"):
        load_data("mnist", root, protocol="III")


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_missing_is_said_with_where_to_get_it(name, tmp_path):
    with pytest.raises(DataError) as caught:
        load_data(name, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{name}: {tmp_path} has no")
    for part in (DATASETS[name].source, DATASETS[name].place, f"put into {tmp_path}", "http"):
        assert part in message


def test_a_missing_root_is_said(tmp_path):
    with pytest.raises(DataError, match=r"mnist: .*nowhere does not exist; download four files"):
        load_data("mnist", tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"mnist: --root must be the folder .* download four files"):
        load_data("mnist", None)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_refused(root, seed):
    with pytest.raises(DataError, match="a seed is a number from 0"):
        load_data("mnist", root, seed=seed)


def test_downloads_what_is_missing(root, tmp_path, monkeypatch):
    served = root / "fashion-mnist"
    downloads = tuple(
        Download(path.as_uri(), f"fashion-mnist/{path.name}", hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(served.iterdir())
    )
    monkeypatch.setitem(DATASETS, "fashion-mnist", replace(DATASETS["fashion-mnist"], downloads=downloads))
    new, told = tmp_path / "new", []
    data = load_data("fashion-mnist", new, download=True, progress=lambda done, total: told.append((done, total)))
    assert len(data.gallery) == 5_200
    assert sorted(p.name for p in (new / "fashion-mnist").iterdir()) == sorted(p.name for p in served.iterdir())
    lengths = {path.stat().st_size for path in served.iterdir()}
    assert {done for done, total in told if done == total} == lengths


def test_nothing_is_fetched_when_the_data_are_there(root, monkeypatch):
    nowhere = (Download("file:///nowhere", "x", "0" * 64),)
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], downloads=nowhere))
    assert len(load_data("mnist", root, download=True).query) == 1_000


def test_what_has_owners_is_not_fetched(tmp_path):
    with pytest.raises(DataError, match="imagenet-100 cannot be downloaded automatically; download ILSVRC 2012"):
        load_data("imagenet-100", tmp_path, download=True)


def test_only_three_sets_are_fetched_from_known_addresses():
    fetched = {name: dataset.downloads for name, dataset in DATASETS.items() if dataset.downloads}
    assert set(fetched) == {"cifar-10", "mnist", "fashion-mnist"}
    for downloads in fetched.values():
        assert all(file.url.startswith("http") and len(bytes.fromhex(file.sha256)) == 32 for file in downloads)
        assert all(file.url.rpartition("/")[2] == file.place.rpartition("/")[2] for file in downloads)
