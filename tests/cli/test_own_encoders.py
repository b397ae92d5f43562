"""Encoders that the owner brings: checkpoints that `recessive train` has made, and weights of known networks."""

import json

import pytest
import torch

from recessive.encoders import make_backbone, make_hash_network, save_checkpoint


@pytest.fixture
def checkpoint_file(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "h.safetensors"
    network = make_hash_network("h", make_backbone("small-plain"), 24)
    torch.nn.init.zeros_(network.head.linear.bias)  # so that the photo decides, not the bias
    save_checkpoint(path, network, {"backbone": "small-plain"})
    return path


@pytest.mark.usefixtures("tiny_encoders")
def test_a_checkpoint_of_ones_own_is_attacked_and_audited(recessive, photo, texture, album, checkpoint_file, tmp_path):
    original = photo("a.png", texture())
    options = ("--method", "hdm", "--encoder", checkpoint_file, "--sample", album, "--steps", 30, "--budget", 60)
    protect = ("protect", original, *options)
    ran = recessive(*protect, "--out", tmp_path / "out", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    assert (report["encoders"], report["method"]) == ([str(checkpoint_file)], "hdm")
    attacked = next(entry for entry in report["per_encoder"] if entry["name"] == str(checkpoint_file))
    assert attacked["seen"]
    assert attacked["distance_after"] > 0
    audit = ("audit", original, tmp_path / "out" / original.name, "--encoder", checkpoint_file, "--gallery", album)
    ran = recessive(*audit, "--json")
    assert (ran.status, ran.stderr) == (0, "")
    (entry,) = json.loads(ran.stdout)["encoders"]
    assert (entry["seen"], entry["gallery_photos"]) == (True, 6)
    assert entry["distance_after"] == attacked["distance_after"]
    assert recessive(*protect, "--out", tmp_path / "out").status == 0  # done before


@pytest.mark.usefixtures("tiny_encoders")
def test_a_network_at_the_photos_own_size_is_attacked(recessive, photo, album, tmp_path):
    ran = recessive(
        "protect", photo(), "--method", "pire", "--encoder", "gem:conv", "--sample", album, "--steps", 2,
        "--out", tmp_path / "out", "--json",
    )  # fmt: skip
    assert (ran.status, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    assert report["encoders"] == ["gem:conv"]
    assert next(entry for entry in report["per_encoder"] if entry["name"] == "gem:conv")["distance_after"] > 0


@pytest.mark.usefixtures("tiny_encoders")
def test_what_is_no_checkpoint_is_refused_in_one_line(recessive, photo, tmp_path):
    (tmp_path / "note.txt").write_text("not a network")
    ran = recessive("protect", photo(), "--encoder", tmp_path / "note.txt", "--out", tmp_path / "out")
    assert (ran.status, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert "note.txt" in ran.stderr
