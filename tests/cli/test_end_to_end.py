"""The program as installed, with the encoders that it ships, in processes of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn.datasets
from PIL import Image

PROGRAM = Path(sys.executable).with_name("recessive")


def run(*arguments):
    """The program with warnings as errors: exit status, stdout, stderr."""
    command = [sys.executable, "-W", "error", PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def flower(tmp_path):
    """A small real photo."""
    path = tmp_path / "flower.png"
    with Image.open(Path(sklearn.datasets.__file__).parent / "images" / "flower.jpg") as photo:
        photo.resize((128, 96)).save(path)
    return path


def test_a_real_photo_is_protected_and_audited(flower, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    out = tmp_path / "out"
    ran = run("protect", tmp_path / "broken.jpg", flower, "--out", out, "--steps", 20, "--json")
    assert ran.returncode == 1
    complaint, summary = ran.stderr.splitlines()
    assert complaint.startswith(f"recessive: {tmp_path / 'broken.jpg'}: is damaged")
    assert summary.startswith("recessive: 1 protected, 0 done before, 1 failed; ")
    _, made = (json.loads(line) for line in ran.stdout.splitlines())
    with Image.open(out / "flower.png") as saved:
        assert (saved.format, saved.size) == ("PNG", (128, 96))
    assert 0 < made["linf"] <= 8
    assert 0.8 < made["ssim"] < 1
    seen = {entry["name"]: entry["seen"] for entry in made["per_encoder"]}
    assert sorted(made["encoders"]) == sorted(name for name in seen if seen[name])
    assert not all(seen.values())
    surrogates = [entry for entry in made["per_encoder"] if entry["seen"]]
    assert all(entry["distance_after"] > 0 for entry in surrogates)
    assert any(entry["rank_after"] > 1 for entry in surrogates)  # twenty steps of a small photo do not fool them all

    ran = run("audit", flower, out / "flower.png", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    audited = json.loads(ran.stdout)
    assert {entry["name"]: entry["seen"] for entry in audited["encoders"]} == seen
    assert audited["verdict"]
    assert (audited["linf"], audited["ssim"], audited["hidden"]) == (made["linf"], made["ssim"], made["hidden"])
    ranks = {entry["name"]: entry["rank_after"] for entry in made["per_encoder"]}
    assert {entry["name"]: entry["rank_after"] for entry in audited["encoders"]} == ranks
