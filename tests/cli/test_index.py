"""recessive index, as a person or a script runs it."""

import json

import numpy as np
import pytest

from recessive.galleries.index_file import read_index

KEYS = [
    *("out", "folder", "encoder", "digest", "photos", "described", "kept", "dropped", "failed"),
    *("without_features", "words", "bytes", "seconds"),
]


@pytest.fixture
def folder(photo, scene):
    """Three smooth photos."""
    for seed in range(3):
        path = photo(f"album/{seed}.png", scene(seed=seed))
    return path.parent


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "photos.index"


@pytest.fixture
def index(recessive, folder, out):
    """Runs `recessive index` on the photos."""
    return lambda *arguments: recessive("index", folder, "--out", out, *arguments)


def test_json_is_one_object(index, folder, out):
    ran = index("--encoder", "cedd", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    (line,) = ran.stdout.splitlines()
    report = json.loads(line)
    assert list(report) == KEYS
    assert (report["out"], report["folder"], report["encoder"]) == (str(out), str(folder), "cedd")
    assert (report["photos"], report["described"], report["bytes"]) == (3, 3, out.stat().st_size)


def test_people_get_what_was_done(index, folder, out):
    ran = index("--encoder", "cedd")
    assert (ran.status, ran.stderr) == (0, "")
    head, counts = ran.stdout.splitlines()
    assert head == f"{out}: 3 photos of {folder} by cedd"
    assert counts.startswith("  3 described, 0 unchanged; 0.0 MB, ")
    (folder / "0.png").unlink()
    assert index("--encoder", "cedd").stdout.splitlines()[1].startswith("  0 described, 2 unchanged, 1 dropped; 0.0 MB")


def test_options_reach_the_index(index, photo, out):
    bricks = np.kron(np.random.default_rng(0).integers(0, 256, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    photo("album/bricks.png", bricks)
    ran = index("--encoder", "bovw-he", "--words", 10, "--json")
    assert ran.status == 0
    assert (json.loads(ran.stdout)["words"], json.loads(ran.stdout)["without_features"]) == (10, 3)
    assert (
        "\n  3 have no local features: nothing finds them by visual words\n"
        in index("--encoder", "bovw-he", "--words", 10).stdout
    )
    assert index("--encoder", "gem:conv", "--scales", 1, 0.5, "--overwrite").status == 0
    assert read_index(out).card["settings"]["scales"] == [1.0, 0.5]


def test_the_defaults(recessive, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = recessive("index", folder, "--json")
    assert ran.status == 0
    assert json.loads(ran.stdout)["encoder"] == "conv-gem"
    assert len(read_index(tmp_path / "photos.index").names) == 3


def test_broken_photos_are_said_left_out_and_status_1(index, folder, broken, out):
    broken.rename(folder / "broken.jpg")
    ran = index("--encoder", "cedd", "--json")
    assert ran.status == 1
    assert ran.stderr.startswith(f"recessive: {folder / 'broken.jpg'}: is damaged")
    assert ran.stderr.count("\n") == 1
    assert (json.loads(ran.stdout)["photos"], json.loads(ran.stdout)["failed"]) == (3, 1)
    assert ", 1 failed; " in index("--encoder", "cedd").stdout
    assert out.is_file()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--encoder", "nobody"), "no encoder or file is called 'nobody'; there are conv-gem, conv-hash, depthwise-"),
        (("--encoder", "gem:nobody"), "networks are small-resnet"),
        (("--encoder", "cedd", "--words", "5"), "--words and --vocabulary are for bovw"),
        (("--encoder", "bovw", "--words", "5"), "--words 5: 0 distinct descriptors do not make 5 words"),
        (("--encoder", "bovw", "--words", "0"), "--words 0: a vocabulary has at least one word"),
        (("--encoder", "cedd", "--scales", "1"), "--scales is for gem:NETWORK"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(index, out, wrong, said):
    ran = index(*wrong)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("recessive: ")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not out.exists()


def test_a_folder_that_is_none_is_status_2(recessive, tmp_path):
    ran = recessive("index", tmp_path / "nowhere", "--encoder", "cedd")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"recessive: {tmp_path / 'nowhere'}: is not a folder; what is indexed is a folder of photos\n"
    )


def test_an_index_by_another_encoder_is_replaced_only_when_asked(index, out):
    assert index("--encoder", "cedd").status == 0
    before = out.read_bytes()
    ran = index("--encoder", "gist")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr == f"recessive: {out} was made by cedd, not by gist; use --overwrite, or another --out\n"
    assert out.read_bytes() == before
    assert index("--encoder", "gist", "--overwrite").status == 0


def test_a_vocabulary_that_cannot_be_read_is_status_1(index, out, tmp_path):
    ran = index("--encoder", "bovw", "--vocabulary", tmp_path / "missing.safetensors")
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"recessive: {tmp_path / 'missing.safetensors'}: ")
    assert ran.stderr.count("\n") == 1
    assert not out.exists()
