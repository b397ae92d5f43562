"""recessive private-query, as a person or a script runs it."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("tiny_encoders", "towards")

KEYS = [
    *("private", "carrier", "output", "method", "encoders", "budget", "steps", "seconds", "width", "height"),
    *("linf", "psnr", "ssim", "retrieves", "retrieves_unseen", "gallery", "gallery_photos", "first", "by_chance"),
    *("per_encoder", "verdict", "notes"),
]
ENCODER_KEYS = [
    *("name", "seen", "distance_before", "distance_after", "shared_before", "shared", "carriers", "retrieves"),
]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "q.png"


@pytest.fixture
def pair(photo, scene):
    return photo("private.png", scene(seed=3)), photo("carrier.png")


@pytest.fixture
def query(recessive, pair, out):
    """Runs `recessive private-query` with few steps on the pair."""
    private, carrier = pair
    return lambda *arguments: recessive(
        "private-query", private, "--carrier", carrier, "--out", out, "--steps", 3, *arguments
    )


def test_json_is_one_object(query, pair, out):
    ran = query("--json")
    assert (ran.status, ran.stderr) == (0, "")
    (line,) = ran.stdout.splitlines()
    report = json.loads(line)
    assert list(report) == KEYS
    assert [list(entry) for entry in report["per_encoder"]] == [ENCODER_KEYS] * 3
    assert (report["private"], report["carrier"], report["output"]) == (*map(str, pair), str(out))
    assert (report["method"], report["budget"]) == ("tma", 16)
    assert out.is_file()


def test_people_get_a_verdict_the_fidelity_and_a_table(query, out):
    ran = query()
    assert (ran.status, ran.stderr) == (0, "")
    said, fidelity, head, *rows, legend = ran.stdout.splitlines()
    assert said.startswith(f"{out}: ")
    assert said.endswith("Another encoder may return something else.")
    assert fidelity.startswith("  SSIM 0.")
    assert " to the carrier, largest change " in fidelity
    assert [row.split()[0] for row in rows] == ["tiny-gem", "tiny-hash", "other-gem"]
    assert len({len(line) for line in (head, *rows)}) == 1
    assert legend.endswith("among 400 photos of the reference gallery")


def test_options_reach_the_query(recessive, pair, photo, scene, tmp_path):
    for seed in range(12):
        photo(f"gallery/{seed}.png", scene(seed=seed + 5))
    ran = recessive(
        *("private-query", pair[0], "--carrier", pair[1], "--out", tmp_path / "q.jpg", "--encoder", "tiny-hash"),
        *("--budget", 3, "--steps", 2, "--gallery", tmp_path / "in" / "gallery", "--format", "jpeg", "--quality", 97),
        *("--seed", 5, "--method", "tma", "--device", "cpu", "--json"),
    )
    assert ran.status == 0
    report = json.loads(ran.stdout)
    assert (report["encoders"], report["budget"], report["steps"]) == (["tiny-hash"], 3, 2)
    assert [entry["name"] for entry in report["per_encoder"]] == ["tiny-hash", "other-gem"]
    assert report["gallery_photos"] == 12
    assert (tmp_path / "q.jpg").read_bytes().startswith(b"\xff\xd8\xff")


def test_the_query_is_put_here_by_default(recessive, pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = recessive("private-query", pair[0], "--carrier", pair[1], "--steps", 1, "--json")
    assert (ran.status, json.loads(ran.stdout)["output"]) == (0, "query.png")
    assert (tmp_path / "query.png").is_file()


def test_notes_are_shown(query, photo, scene):
    folder = photo("few/1.png", scene(seed=5)).parent
    assert "\n  the gallery holds 1 photos: too few" in query("--gallery", folder).stdout


def test_a_query_that_is_there_needs_overwrite(query, out):
    assert query().status == 0
    before = out.read_bytes()
    ran = query("--seed", 1, "--budget", 2)
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr == f"recessive: {out}: exists already; use --overwrite, or another --out\n"
    assert out.read_bytes() == before
    assert query("--budget", 2, "--overwrite").status == 0
    assert out.read_bytes() != before


def test_a_photo_that_cannot_be_read_is_status_1(recessive, pair, broken, tmp_path, out):
    for private, carrier, wrong in (
        (broken, pair[1], broken),
        (pair[0], broken, broken),
        (tmp_path / "missing.jpg", pair[1], tmp_path / "missing.jpg"),
        (pair[0], tmp_path, tmp_path),
    ):
        ran = recessive("private-query", private, "--carrier", carrier, "--out", out)
        assert (ran.status, ran.stdout) == (1, "")
        assert ran.stderr.startswith(f"recessive: {wrong}: ")
        assert ran.stderr.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--method", "hide"), "no method is called 'hide'"),
        (("--method", "hdm"), "hdm cannot be told what to retrieve; methods that can: "),
        (("--encoder", "nobody"), "tiny-gem, tiny-hash, other-gem"),
        (("--format", "gif"), "unknown photo format 'gif'"),
        (("--format", "webp"), "q.png is named as PNG, but --format is WEBP; change one of them"),
        (("--gallery", "nowhere"), "nowhere: is not a folder; a gallery is a folder of photos"),
        (("--device", "abacus"), "--device abacus: no such device"),
        (("--budget", "-1"), "--budget: Input should be greater than or equal to 0"),
        (("--quality", "0"), "--quality: "),
        (("--seed", "-1"), "--seed: "),
    ],
)
def test_wrong_use_is_one_line_and_status_2(query, out, wrong, said):
    ran = query(*wrong)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("recessive: ")
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not out.parent.exists()


def test_the_private_photo_is_no_carrier(recessive, pair, out):
    ran = recessive("private-query", pair[0], "--carrier", pair[0], "--out", out)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr == f"recessive: {pair[0]} is the private photo itself; choose a --carrier that may be seen\n"


def test_broken_photos_of_the_gallery_are_left_out(query, photo, scene, broken):
    folder = photo("gallery/x.png", scene(seed=9)).parent
    broken.rename(folder / "broken.jpg")
    ran = query("--gallery", folder, "--json")
    assert ran.status == 0
    assert ran.stderr.startswith(f"recessive: {folder / 'broken.jpg'}: is damaged")
    assert json.loads(ran.stdout)["gallery_photos"] == 1
