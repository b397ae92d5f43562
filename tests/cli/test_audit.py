"""recessive audit, as a person or a script runs it."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("tiny_encoders")

KEYS = [
    *("original", "protected", "gallery", "gallery_photos", "linf", "psnr", "ssim"),
    *("hidden", "hidden_unseen", "encoders", "verdict"),
    "notes",
]


@pytest.fixture
def pair(recessive, photo, tmp_path):
    """A photo and its protected self."""
    original = photo("a.png")
    assert recessive("protect", original, "--out", tmp_path / "out", "--steps", 3).status == 0
    return original, tmp_path / "out" / "a.png"


def test_json_says_what_each_encoder_finds(recessive, pair):
    ran = recessive("audit", *pair, "--json")
    assert (ran.status, ran.stderr) == (0, "")
    (line,) = ran.stdout.splitlines()
    report = json.loads(line)
    assert list(report) == KEYS
    assert [(entry["name"], entry["seen"]) for entry in report["encoders"]] == [
        ("tiny-gem", True),
        ("tiny-hash", True),
        ("other-gem", False),
        ("bovw-he", False),
        ("cedd", False),
        ("gist", False),
    ]
    needed = {"name", "seen", "rank_before", "rank_after", "found_by_before", "found_by_after"}
    assert all(needed <= entry.keys() for entry in report["encoders"])
    assert all(entry["rank_before"] == 1 for entry in report["encoders"])


def test_the_record_beside_the_photo_says_who_was_seen(recessive, photo, tmp_path):
    original, out = photo(), tmp_path / "out"
    recessive("protect", original, "--out", out, "--steps", 2, "--encoder", "tiny-hash")
    report = json.loads(recessive("audit", original, out / "a.png", "--json").stdout)
    assert [entry["name"] for entry in report["encoders"] if entry["seen"]] == ["tiny-hash"]


def test_people_get_a_verdict_and_a_table(recessive, pair):
    ran = recessive("audit", *pair, "--survive", "jpeg:75", "blur:1")
    assert (ran.status, ran.stderr) == (0, "")
    verdict, fidelity, _, *rows, legend = ran.stdout.splitlines()
    assert verdict.endswith("Another encoder may still find it.")
    assert fidelity.startswith("SSIM 0.")
    names = ["tiny-gem", "tiny-hash", "other-gem", "bovw-he", "cedd", "gist"]
    assert [row.split()[0] for row in rows[::3]] == names
    assert [row.split()[1] for row in rows[::3]] == ["yes", "yes", "no", "no", "no", "no"]
    assert len(rows) == 3 * len(names)
    assert [row.split(": ")[0] for row in rows[1:3]] == ["  after jpeg:75", "  after blur:1"]
    assert legend.startswith("rank among 400 photos of the reference gallery")


def test_photos_of_different_size(recessive, photo, scene):
    ran = recessive("audit", photo("a.png"), photo("b.png", scene(30, 40)), "--json")
    assert ran.status == 0
    assert json.loads(ran.stdout)["ssim"] is None
    ran = recessive("audit", photo("a.png"), photo("b.png", scene(30, 40)))
    assert ran.status == 0
    assert "SSIM" not in ran.stdout


def test_one_encoder_and_a_gallery_with_a_broken_photo(recessive, pair, photo, scene, broken):
    folder = photo("gallery/x.png", scene(seed=9)).parent
    broken.rename(folder / "broken.jpg")
    ran = recessive("audit", *pair, "--encoder", "other-gem", "--gallery", folder, "--json")
    assert ran.status == 0
    assert ran.stderr.startswith(f"recessive: {folder / 'broken.jpg'}: is damaged")
    report = json.loads(ran.stdout)
    assert ([entry["name"] for entry in report["encoders"]], report["gallery_photos"]) == (["other-gem"], 1)
    assert report["hidden"] is None


def test_a_photo_that_cannot_be_read_is_status_1(recessive, photo, broken, tmp_path):
    for wrong in (broken, tmp_path / "missing.jpg", tmp_path):
        ran = recessive("audit", photo(), wrong)
        assert (ran.status, ran.stdout) == (1, "")
        assert ran.stderr.startswith(f"recessive: {wrong}: ")
        assert ran.stderr.count("\n") == 1


def test_local_and_global_searches_can_be_asked_by_name(recessive, pair):
    ran = recessive("audit", *pair, "--encoder", "gist", "bovw-he", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    assert [entry["name"] for entry in report["encoders"]] == ["gist", "bovw-he"]
    assert (report["hidden"], report["gallery_photos"]) == (None, 1000)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--encoder", "nobody"), "tiny-gem, tiny-hash, other-gem"),
        (("--survive", "shrink:2"), "jpeg takes a quality"),
        (("--gallery", "nowhere"), "nowhere: is not a folder"),
    ],
)
def test_wrong_use_is_status_2(recessive, photo, wrong, said):
    ran = recessive("audit", photo("a.png"), photo("b.png"), *wrong)
    assert (ran.status, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("gallery", [True, False])
def test_a_committed_checkpoint_is_asked(recessive, photo, committed_checkpoint, gallery):
    original = photo()
    options = ("--gallery", original.parent) if gallery else ()
    ran = recessive("audit", original, original, "--encoder", committed_checkpoint, *options, "--json")
    assert (ran.status, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    (entry,) = report["encoders"]
    assert (entry["name"], entry["hidden"], entry["gallery_photos"]) == (
        committed_checkpoint,
        False,
        1 if gallery else 100,
    )
    assert [note.startswith(committed_checkpoint) for note in report["notes"]] == [] if gallery else [True]
