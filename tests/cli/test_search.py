"""recessive search, as a person or a script runs it."""

import json

import numpy as np
import pytest

from recessive.galleries.index_file import IndexFile, read_index, write_index
from recessive.indexing.index import index_photos

KEYS = [
    *("photo", "box", "index", "encoder", "photos", "features", "results", "describing_seconds"),
    *("searching_seconds", "notes"),
]


def bricks(seed):
    """Levels (96, 96, 3) of bricks in random colours: many corners."""
    return np.kron(np.random.default_rng(seed).integers(0, 256, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture
def folder(photo):
    """Four photos of bricks; one has a new line in its name."""
    for seed in range(4):
        path = photo(f"album/{seed}.png" if seed else "album/new\nline.png", bricks(seed))
    return path.parent


@pytest.fixture
def index(folder, tmp_path):
    index_photos(folder, tmp_path / "photos.index", "cedd")
    return tmp_path / "photos.index"


def test_json_is_one_object_a_photo(recessive, index, folder):
    photos = [folder / "2.png", folder / "3.png"]
    ran = recessive("search", index, *photos, "-k", 3, "--json")
    assert (ran.status, ran.stderr) == (0, "")
    reports = [json.loads(line) for line in ran.stdout.splitlines()]
    for report, photo in zip(reports, photos, strict=True):
        assert list(report) == KEYS
        assert (report["photo"], report["index"], report["encoder"]) == (str(photo), str(index), "cedd")
        assert [list(found) for found in report["results"]] == [["rank", "path", "distance", "score"]] * 3
        assert report["results"][0] == {"rank": 1, "path": str(photo), "distance": 0, "score": 1}


def test_people_get_a_table(recessive, index, folder):
    ran = recessive("search", index, folder / "2.png")
    assert (ran.status, ran.stderr) == (0, "")
    said, head, *rows = ran.stdout.splitlines()
    assert said.startswith(f"{folder / '2.png'}: 4 of 4 photos, by cedd; described in 0.")
    assert head == "  rank   score  distance  photo"
    assert rows[0] == f"     1  1.0000    0.0000  {folder / '2.png'}"
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4"]
    assert any(row.endswith(f"  {folder}/new\\nline.png") for row in rows)


def test_a_box_and_notes(recessive, folder, tmp_path, photo):
    index_photos(folder, tmp_path / "words.index", "bovw", words=40)
    query = photo("wide.png", np.concatenate([np.zeros_like(bricks(0)), bricks(3)], axis=1))
    ran = recessive("search", tmp_path / "words.index", query, "--box", 96, 0, 192, 96, "-k", 1)
    assert ran.status == 0
    assert ran.stdout.startswith(f"{query} (96 0 192 96): 1 of 4 photos, by bovw --words 40; ")
    assert ran.stdout.splitlines()[-1].endswith(f"  {folder / '3.png'}")
    ran = recessive("search", tmp_path / "words.index", query, "--box", 0, 0, 80, 96)
    assert (ran.status, len(ran.stdout.splitlines())) == (0, 2)
    assert ran.stdout.endswith("\n  the query has no local features: nothing is found by visual words\n")


def test_a_photo_that_cannot_be_read_is_status_1_and_the_others_are_searched_with(recessive, index, folder, broken):
    ran = recessive("search", index, broken, folder / "2.png", folder / "missing.png", "--json")
    assert ran.status == 1
    assert json.loads(ran.stdout)["photo"] == str(folder / "2.png")
    first, second = ran.stderr.splitlines()
    assert first.startswith(f"recessive: {broken}: is damaged")
    assert second == f"recessive: {folder / 'missing.png'}: does not exist"


def test_what_is_no_index_is_one_line_and_status_1(recessive, index, folder, tmp_path):
    for wrong in (tmp_path / "missing.index", folder / "2.png", folder):
        ran = recessive("search", wrong, folder / "2.png")
        assert (ran.status, ran.stdout) == (1, "")
        assert ran.stderr.startswith(f"recessive: {wrong}")
        assert ran.stderr.count("\n") == 1
    index.write_bytes(index.read_bytes()[:-1])
    ran = recessive("search", index, folder / "2.png")
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"recessive: {index}: is damaged or cut short")


def test_an_index_of_another_version_is_status_2_and_says_how_to_index_again(recessive, index, folder):
    stored = read_index(index)
    write_index(index, IndexFile({**stored.card, "digest": "0" * 64}, stored.names, stored.stamps, stored.gallery))
    ran = recessive("search", index, folder / "2.png")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"recessive: {index} was made by cedd with the digest 000000000000, which now has ")
    assert ran.stderr.endswith(f"index them again: recessive index {folder} --encoder cedd --out {index} --overwrite\n")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("-k", "0"), "-k must be at least 1, not 0"),
        (("-k", "some"), "-k"),
        (("--box", "5", "0", "5", "9"), "--box 5 0 5 9: name its left, top, right and bottom edge"),
        (("--box", "500", "0", "600", "9"), "2.png: the box 500 0 600 9 contains no part of the photo, which is 96"),
        (("--box", "1", "2", "3"), "--box"),
    ],
)
def test_wrong_use_is_status_2(recessive, index, folder, wrong, said):
    ran = recessive("search", index, folder / "2.png", *wrong)
    assert (ran.status, ran.stdout) == (2, "")
    assert said in ran.stderr


def test_a_photo_is_needed(recessive, index):
    ran = recessive("search", index)
    assert (ran.status, ran.stdout) == (2, "")
    assert "PHOTO" in ran.stderr
