import runpy
import shutil
from pathlib import Path

import pytest

from recessive.datasets import DataError, load_data

_trees = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
RELEVANT, SEEN, write_annotations = _trees["RELEVANT"], _trees["SEEN"], _trees["write_annotations"]


@pytest.fixture
def base(root, tmp_path):
    """Annotations to spoil, beside the photos of the common tree."""
    (tmp_path / "mirflickr").symlink_to(root / "mirflickr25k" / "mirflickr")
    shutil.copytree(root / "mirflickr25k" / "mirflickr25k_annotations_v080", tmp_path / "mirflickr25k_annotations_v080")
    return tmp_path


@pytest.mark.parametrize(("protocol", "names"), [("38", SEEN + RELEVANT), ("24", SEEN)])
def test_labels_are_those_of_the_annotations(root, protocol, names):
    data = load_data("flickr-25k", root, protocol=protocol)
    assert data.classes == names
    assert data.note == "100 photos without labels are left out; incomplete copy: 7,200 of 25,000 photos"
    for split in (data.query, data.gallery, data.train):
        for row in range(0, len(split), 97):
            number = int(split.photos.key(row).removeprefix("im").removesuffix(".jpg"))
            expected = {SEEN[number % 24]}
            if number % 3 == 0 and protocol == "38":
                expected.add(RELEVANT[number % 42 // 3])
            assert {data.classes[i] for i in split.labels[row].nonzero().flatten().tolist()} == expected


def test_a_missing_annotation_is_named(base):
    (base / "mirflickr25k_annotations_v080" / "sea_r1.txt").unlink()
    with pytest.raises(DataError, match=r"flickr-25k: .*sea_r1\.txt does not exist; download mirflickr25k\.zip"):
        load_data("flickr-25k", base)
    assert len(load_data("flickr-25k", base, protocol="24").query) == 2_000


def test_damaged_annotations_are_named(base):
    write_annotations(base, {"sky": [1, 999_999]})
    with pytest.raises(DataError, match=r"sky\.txt: lists im999999\.jpg, but there is no such photo in"):
        load_data("flickr-25k", base)
    write_annotations(base, {"sky": ["1", "two"]})
    with pytest.raises(DataError, match=r"sky\.txt: damaged"):
        load_data("flickr-25k", base)


def test_too_few_photos_are_said(base):
    write_annotations(base, {label: [1, 2] for label in SEEN + RELEVANT})
    with pytest.raises(DataError, match="flickr-25k, queries: 2000 photos are needed, but there are 2"):
        load_data("flickr-25k", base)
