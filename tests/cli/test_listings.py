"""recessive encoders and recessive methods."""

import json

import pytest
import torch

from recessive.encoders import (
    CEDD,
    GIST,
    bundled_vocabulary,
    descriptor_thresholds,
    hash_network,
    load_encoder,
    make_backbone,
    make_hash_network,
    save_checkpoint,
)
from recessive.protection.keypoints import KEYPOINT_METHODS
from recessive.protection.methods import METHODS
from recessive.searchers import default_surrogates, unseen

FEATURES = ["bovw", "bovw-he", "bovw-burst", "cedd", "gist", "gist-colour"]


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """An empty folder in place of that of the committed checkpoints."""
    monkeypatch.setattr(hash_network, "CHECKPOINTS", tmp_path)
    yield tmp_path
    load_encoder.cache_clear()


@pytest.fixture
def hash_networks(committed):
    """Two committed checkpoints, one with as little on its card as there may be."""
    network = make_hash_network("any", make_backbone("small-plain"), 12)
    full = {"backbone": "small-plain", "loss": "hashnet", "data": "cifar-10", "map": 0.8123, "seed": 3}
    save_checkpoint(committed / "hashnet-12-cifar-10.safetensors", network, full)
    save_checkpoint(committed / "another.safetensors", network, {"backbone": "small-plain"})
    return ["another", "hashnet-12-cifar-10"]


@pytest.mark.usefixtures("towards", "tiles")
def test_methods_for_people_are_a_line_each_under_headings(recessive, still):
    still.needs = frozenset({"gradients", "labels", "sample"})
    ran = recessive("methods")
    assert (ran.status, ran.stderr) == (0, "")
    *tables, end = ran.stdout.strip().split("\n\n")
    assert end.endswith("recessive methods --json")
    assert len(tables) == 5
    rows = {row.split()[0]: row for table in tables for row in table.splitlines()[2:]}
    under = {row.split()[0]: table.splitlines()[0] for table in tables for row in table.splitlines()[2:]}
    assert sorted(rows) == sorted(METHODS)
    assert sum(len(table.splitlines()) - 2 for table in tables) == len(METHODS)
    columns = tables[0].splitlines()[1]
    assert columns.split() == ["method", "works", "on", "needs", "what", "it", "does"]
    for name, method in METHODS.items():
        assert rows[name].endswith(method.summary)
        assert rows[name].index(method.summary) == columns.index("what it does")
        for need in method.needs - {"gradients"}:
            assert need in rows[name].removesuffix(method.summary)
    assert under["vanish"] == under["joint"] == "Hide photos from encoders"
    assert {under[method.name] for method in KEYPOINT_METHODS} == {"Hide photos from local search (SIFT keypoints)"}
    assert under["tma"].endswith("(--target PHOTO...)")
    assert under["still"].endswith("(--sample DIR with one folder a class, --label NAME)")
    assert under["tiles"] == "Change photos without asking an encoder"
    assert rows["hdm"].split()[1:3] == ["codes", "-"]
    assert rows["pire"].split()[1:3] == ["descriptors", "-"]
    assert rows["vanish"].split()[1:3] == ["both", "sample"]
    assert rows["still"].split()[1:4] == ["both", "labels,", "sample"]


def test_methods_as_json(recessive):
    ran = recessive("methods", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    listed = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [entry["name"] for entry in listed] == list(METHODS)
    keys = {"name", "summary", "paper", "departures", "accepts", "needs", "defaults"}
    assert all(entry.keys() == keys for entry in listed)


def test_one_method_has_its_constants(recessive):
    text = recessive("methods", "cwdm").stdout
    assert text.startswith(f"cwdm: {METHODS['cwdm'].summary}\nPaper: {METHODS['cwdm'].paper}\n")
    (listed,) = (json.loads(line) for line in recessive("methods", "cwdm", "--json").stdout.splitlines())
    clusters = next(constant for constant in listed["constants"] if constant["name"] == "clusters")
    assert clusters == {
        "name": "clusters",
        "type": "a whole number of at least 1",
        "default": 20,
        "explanation": "k of k-means.",
    }
    assert "\n  clusters: a whole number of at least 1, by default 20\n      k of k-means.\n" in text
    assert {"budget", "steps"} | {constant["name"] for constant in listed["constants"]} == set(listed["defaults"])


def test_a_method_that_there_is_not(recessive):
    ran = recessive("methods", "nosuch")
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("recessive: no method is called 'nosuch'; there are vanish, ")


@pytest.mark.usefixtures("committed")
def test_encoders_for_people(recessive, tiny_encoders):
    ran = recessive("encoders")
    assert (ran.status, ran.stderr) == (0, "")
    networks, descriptors, others = ran.stdout.split("\n\n")
    head, *rows = networks.splitlines()
    assert [row.split()[0] for row in rows] == list(tiny_encoders)
    assert len({len(line) for line in (head, *rows)}) == 1
    assert rows[0].split() == ["tiny-gem", "16-D", "descriptor", "by", "default", "0.500", "0.250"]
    assert rows[1].split() == ["tiny-hash", "32", "bits", "by", "default", "-", "-"]  # not measured
    head, *rows = descriptors.splitlines()
    assert head.startswith("local and global search, which every audit asks")
    assert [row.split()[0] for row in rows] == FEATURES
    assert "FILE" in others.splitlines()
    assert len({len(row) - len(row[len(row.split()[0]) :].lstrip()) for row in rows}) == 1  # in one column


@pytest.mark.usefixtures("committed")
def test_encoders_as_json(recessive, tiny_encoders):
    ran = recessive("encoders", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    listed = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [entry["name"] for entry in listed] == [*tiny_encoders, *FEATURES]
    networks, descriptors = listed[:3], listed[3:]
    assert {(entry["name"], entry["seen"]) for entry in networks if not entry["seen"]} == {("other-gem", False)}
    assert networks[1]["outputs"] == "logits"
    assert networks[1]["dim"] == 32
    assert all(entry.keys() >= {"name", "summary", "threshold", "outputs", "gallery"} for entry in descriptors)
    stored = {entry["name"]: entry["threshold"] for entry in descriptors if entry["gallery"] == "stored"}
    assert stored == descriptor_thresholds()
    assert all(entry["gradients"] and entry["sample"] == "stored" for entry in networks)
    assert not any(entry["gradients"] for entry in descriptors)


@pytest.mark.usefixtures("committed", "tiny_encoders")
def test_what_is_said_of_local_and_global_searches_holds(recessive):
    listed = [json.loads(line) for line in recessive("encoders", "--json").stdout.splitlines()]
    said = {entry["name"]: entry["summary"] for entry in listed if "summary" in entry}
    assert f"a vocabulary of {len(bundled_vocabulary()):,}," in said["bovw-he"]
    assert said["cedd"].endswith(f"a histogram of {CEDD.dim}")
    assert said["gist"].endswith(f"{GIST().dim}-D")


def test_committed_checkpoints_are_a_table_of_their_own(recessive, tiny_encoders, hash_networks):
    ran = recessive("encoders")
    assert (ran.status, ran.stderr) == (0, "")
    bundled, descriptors, networks, _ = ran.stdout.split("\n\n")
    assert [row.split()[0] for row in bundled.splitlines()[1:]] == list(tiny_encoders)
    assert [row.split()[0] for row in descriptors.splitlines()[1:]] == FEATURES
    head, *rows = networks.splitlines()
    assert [row.split()[0] for row in rows] == hash_networks
    assert len({len(line) for line in (head, *rows)}) == 1
    assert rows[0].split() == ["another", "small-plain", "12", "bits", "-", "-", "-"]
    assert rows[1].split() == ["hashnet-12-cifar-10", "small-plain", "12", "bits", "hashnet", "cifar-10", "0.812"]


def test_committed_checkpoints_as_json_are_their_cards(recessive, tiny_encoders, hash_networks):
    ran = recessive("encoders", "--json")
    assert (ran.status, ran.stderr) == (0, "")
    listed = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [entry["name"] for entry in listed] == [*tiny_encoders, *FEATURES, *hash_networks]
    card = listed[-1]
    assert (card["outputs"], card["dim"], card["bits"], card["backbone"]) == ("logits", 12, 12, "small-plain")
    assert (card["loss"], card["data"], card["map"], card["seed"]) == ("hashnet", "cifar-10", 0.8123, 3)


@pytest.mark.usefixtures("tiny_encoders")
def test_a_damaged_committed_checkpoint_is_one_clear_error(recessive, committed):
    (committed / "torn.safetensors").write_bytes(b"nothing of use")
    ran = recessive("encoders")
    assert (ran.status, ran.stdout) == (1, "")
    assert "torn.safetensors: is damaged" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_committed_checkpoints_load_by_name_and_are_nobodys_default(hash_networks):
    network = load_encoder("hashnet-12-cifar-10")
    assert (network.name, network.dim, network.outputs) == ("hashnet-12-cifar-10", 12, "logits")
    assert network(torch.rand(1, 3, 40, 30)).shape == (1, 12)
    for name in hash_networks:
        assert name not in default_surrogates(frozenset({"logits", "descriptor"}))
        assert name not in unseen(())
        assert name not in unseen(("conv-gem",))


def test_the_shipped_encoders_are_listed(recessive):
    ran = recessive("encoders")
    assert (ran.status, ran.stderr) == (0, "")
    rows = [row.split()[0] for table in ran.stdout.split("\n\n")[:-1] for row in table.splitlines()[1:]]
    assert rows == [json.loads(line)["name"] for line in recessive("encoders", "--json").stdout.splitlines()]
    assert len(rows) >= 5
