"""Checkpoints: what was saved comes back, and nothing else does."""

from __future__ import annotations

import json
import resource

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from recessive.codes import sign
from recessive.encoders import (
    EncoderError,
    committed_checkpoints,
    load_checkpoint,
    load_encoder,
    make_backbone,
    make_hash_network,
    owners_sample,
    read_card,
    save_checkpoint,
)
from recessive.encoders import hash_network as module
from recessive.encoders.networks.backbones import BUNDLE
from recessive.encoders.networks.library import downloaded

CARD = {"backbone": "small-plain", "loss": "hashnet", "data": "cifar-10", "map": 0.81, "seed": 0, "note": "± JPEG"}


def draw(count=16, size=32, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def trained(name="small-plain", bits=24, size=32):
    """A network that has seen a few batches, so that its statistics are no defaults."""
    torch.manual_seed(0)
    network = make_hash_network("any", make_backbone(name, size=size), bits)
    with torch.no_grad():
        for seed in range(3):
            network.train()(draw(size=size, seed=seed))
    return network


@pytest.fixture(scope="module")
def network():
    return trained()


@pytest.fixture
def path(tmp_path, network):
    path = tmp_path / "hashnet-24.safetensors"
    save_checkpoint(path, network, CARD)
    return path


@pytest.mark.parametrize("name", ["small-resnet", "small-plain", "small-depthwise"])
def test_what_was_saved_comes_back(tmp_path, name):
    network, path = trained(name, size=28), tmp_path / "mine.safetensors"
    save_checkpoint(path, network, {**CARD, "backbone": name})
    assert network.training  # as it was
    found = load_checkpoint(path).network
    expected, logits = network.eval()(draw(seed=9)), found(draw(seed=9))
    torch.testing.assert_close(logits, expected, rtol=0, atol=0.02)
    assert (sign(logits) == sign(expected)).float().mean() > 0.98
    assert (found.name, found.dim, found.trunk.size) == ("mine", 24, 28)
    assert path.stat().st_size <= 1_450_000
    for key, tensor in found.state_dict().items():
        assert tensor.dtype == (torch.int64 if key.endswith("tracked") else torch.float32)
    assert not any(part.training for part in found.modules())
    assert not any(weight.requires_grad for weight in found.parameters())


def test_the_card_says_how_to_build_it_and_what_it_is(path):
    known = {"format": 1, "bits": 24, "size": 32, "mean": [0.5] * 3, "std": [0.25] * 3}
    assert load_checkpoint(path).card == read_card(path) == {**CARD, **known}
    with safe_open(path, framework="numpy") as stored:
        assert json.loads(stored.metadata()["card"]) == read_card(path)


def test_colours_are_those_of_the_backbone(tmp_path):
    network, path = trained(), tmp_path / "c.safetensors"
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    network.trunk.mean.copy_(torch.tensor(mean).view(3, 1, 1))
    network.trunk.std.copy_(torch.tensor(std).view(3, 1, 1))
    save_checkpoint(path, network, CARD)
    assert (read_card(path)["mean"], read_card(path)["std"]) == (list(mean), list(std))
    found = load_checkpoint(path).network.trunk
    assert torch.equal(found.mean, network.trunk.mean)
    assert torch.equal(found.std, network.trunk.std)


def test_weights_are_float16_but_for_what_it_cannot_hold(tmp_path):
    network, path = trained(), tmp_path / "wide.safetensors"
    norm = network.trunk.backbone.layers[0][1]
    with torch.no_grad():
        norm.running_var[:3] = torch.tensor([1e-12, 3e7, 1.0001])
        norm.running_mean[0] = -1e6
        network.head.linear.weight[0, 0] = 7e4
    save_checkpoint(path, network, CARD)
    stored, found = load_file(path), load_checkpoint(path).network.state_dict()
    for key, tensor in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            assert key not in stored
        elif "running" in key or key == "head.linear.weight":
            assert stored[key].dtype == torch.float32
            assert torch.equal(found[key], tensor)
        else:
            assert stored[key].dtype == torch.float16
            assert torch.equal(found[key], tensor.half().float())


def test_the_same_network_gives_the_same_file(path, tmp_path, network):
    again, loaded = tmp_path / "again.safetensors", tmp_path / "loaded.safetensors"
    save_checkpoint(again, network, CARD)
    found = load_checkpoint(path)
    save_checkpoint(loaded, found.network, found.card)
    assert path.read_bytes() == again.read_bytes()
    assert load_file(path).keys() == load_file(loaded).keys()
    assert all(torch.equal(tensor, load_file(loaded)[key]) for key, tensor in load_file(path).items())


def test_no_random_number_is_drawn(path, network):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    save_checkpoint(path, network, CARD)
    load_checkpoint(path)
    assert torch.equal(torch.rand(3), expected)


def test_a_librarys_network_is_rebuilt_without_its_weights(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(f"{downloaded.__module__}.torch.hub.download_url_to_file", lambda *_, **__: asked.append(1))
    torch.manual_seed(0)
    network, path = make_hash_network("r", make_backbone("resnet-18", size=64), 48), tmp_path / "r.safetensors"
    save_checkpoint(path, network, {"backbone": "resnet-18"})
    found = load_checkpoint(path).network
    torch.testing.assert_close(found(draw(2, 64)), network.eval()(draw(2, 64)), rtol=0.05, atol=0.05)
    assert asked == []


# What does not become a file


def refuse(path, network, card, message):
    before = path.read_bytes()
    with pytest.raises(EncoderError, match=message) as refused:
        save_checkpoint(path, network, card)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_not_saved(path, value):
    network = trained()
    with torch.no_grad():
        network.head.linear.bias[3] = value
    refuse(path, network, CARD, "not finite: head.linear.bias")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"loss": "hashnet"}, "names no backbone: None; there are small-resnet"),
        ({"backbone": "resnet-19"}, "names no backbone: 'resnet-19'"),
        ({**CARD, "backbone": "small-resnet"}, "is no small-resnet as the card says.*missing"),
        ({**CARD, "bits": 48}, "does not fit the network: bits is 24, not 48"),
        ({**CARD, "size": 28}, "does not fit the network: size is 32, not 28"),
        ({**CARD, "map": float("nan")}, "the card is no JSON"),
        ({**CARD, "data": torch.zeros(1)}, "the card is no JSON"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(path, network, card, message):
    refuse(path, network, card, message)


def test_other_encoders_are_refused(path, network):
    other = make_hash_network("o", make_backbone("small-plain"), 24)
    other.trunk = network.trunk.backbone
    refuse(path, other, CARD, "on a Trunk")


def test_on_a_full_disk_the_earlier_file_stays(path, network):
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # no file may grow beyond
    try:
        with pytest.raises(OSError, match=r"hashnet-24\.safetensors") as refused:
            save_checkpoint(path, network, {**CARD, "seed": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.strerror
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path, network):
    with pytest.raises(FileNotFoundError, match=r"gone/h.safetensors"):
        save_checkpoint(tmp_path / "gone" / "h.safetensors", network, CARD)


# What is not loaded


def fails(path, message):
    with pytest.raises(EncoderError, match=message) as refused:
        load_checkpoint(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_file_that_is_cut_short(path, kept):
    path.write_bytes(path.read_bytes()[:kept])
    fails(path, "is damaged, or no checkpoint")


def test_a_missing_file(tmp_path):
    fails(tmp_path / "none.safetensors", "there is no such checkpoint")
    fails(tmp_path, "there is no such checkpoint")


def test_a_foreign_file(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(2)}, path, {"format": "pt"})
    fails(path, "is no checkpoint of `recessive train`: it has no card")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "is of format 2; this version reads format 1"),
        ({"format": None}, "is of format None"),
        ({"backbone": "resnet-19"}, "its backbone 'resnet-19' is unknown; there are small-resnet"),
        ({"backbone": ["small-plain"]}, "its backbone .* is unknown"),
        ({"backbone": "small-resnet"}, "does not hold the weights of small-resnet with 24 bits.*missing"),
        ({"bits": 48}, r"with 48 bits, as its card says: head.linear.weight has shape \(24, 128\), not \(48, 128\)"),
        ({"bits": "24"}, "card is damaged: bits and size are '24' and 32"),
        ({"size": 0}, "card is damaged: bits and size are 24 and 0"),
        ({"mean": [0.5, 0.5]}, "card is damaged: mean and std"),
        ({"std": None}, "card is damaged: mean and std"),
    ],
)
def test_a_card_that_describes_something_else(path, change, message):
    save_file(load_file(path), path, {"card": json.dumps({**read_card(path), **change})})
    fails(path, message)


@pytest.mark.parametrize(("text", "message"), [("{", "card is damaged: "), ("[1]", "it is no JSON object")])
def test_a_card_that_is_no_card(path, text, message):
    save_file(load_file(path), path, {"card": text})
    fails(path, message)


@pytest.mark.parametrize("key", ["backbone", "bits", "size", "mean", "std"])
def test_a_card_that_lacks_what_rebuilding_needs(path, key):
    card = read_card(path)
    del card[key]
    save_file(load_file(path), path, {"card": json.dumps(card)})
    fails(path, f"its card lacks {key}")


@pytest.mark.parametrize("key", ["head.linear.bias", "trunk.backbone.layers.0.1.running_var"])
def test_weights_that_are_missing_unknown_or_not_finite(path, key):
    card, stored = json.dumps(read_card(path)), load_file(path)
    for entries, message in (({}, f"missing {key}"), ({key: torch.full_like(stored[key], torch.nan)}, "not finite")):
        save_file({k: v for k, v in stored.items() if k != key} | entries, path, {"card": card})
        fails(path, message)
    save_file({**stored, "more": torch.zeros(1)}, path, {"card": card})
    fails(path, "unknown more")


# The committed ones


def test_committed_checkpoints_are_found_by_name(tmp_path, monkeypatch, network):
    monkeypatch.setattr(module, "CHECKPOINTS", tmp_path)
    load_encoder.cache_clear()
    assert committed_checkpoints() == {}
    for name in ("b-24", "a-24"):
        save_checkpoint(tmp_path / f"{name}.safetensors", network, CARD)
    (tmp_path / "a-24.md").write_text("its model card")
    assert list(committed_checkpoints()) == ["a-24", "b-24"]
    assert committed_checkpoints()["b-24"]["map"] == 0.81
    try:
        assert load_encoder("b-24").name == "b-24"
        assert load_encoder("b-24") is load_encoder("b-24")
        with pytest.raises(EncoderError, match=r"no encoder is called 'c-24'.*a-24, b-24"):
            load_encoder("c-24")
        with pytest.raises(EncoderError, match="b-24 is a checkpoint without stored outputs"):
            owners_sample("b-24")
    finally:
        load_encoder.cache_clear()


def test_the_shipped_checkpoints_work_and_stay_small():
    stems = ("hashnet-48", "dpsh-48", "dsh-48", "dbh-48", "csq-64")
    wanted = {f"{stem}-{data}" for stem in stems for data in ("cifar-10", "fashion-mnist")}
    wanted |= {f"hashnet-48-{data}-small-resnet" for data in ("cifar-10", "fashion-mnist")}
    assert committed_checkpoints().keys() == wanted
    files = [*module.CHECKPOINTS.iterdir(), *BUNDLE.iterdir()]
    assert sum(file.stat().st_size for file in files) <= 40_000_000
    for name, card in committed_checkpoints().items():
        assert (module.CHECKPOINTS / f"{name}.safetensors").stat().st_size <= 10_000_000
        assert {"loss", "data", "protocol", "seed", "map"} <= card.keys()
        assert load_encoder(name)(draw(2, card["size"])).shape == (2, card["bits"])
