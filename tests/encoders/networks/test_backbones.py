"""Backbones by name: those of ours, and what holds for all."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from recessive.encoders import (
    BACKBONES,
    EncoderError,
    HashNetwork,
    make_backbone,
    make_hash_network,
    save_checkpoint,
)
from recessive.encoders.networks.backbones import BUNDLE
from recessive.encoders.networks.compact import Convolutional, Depthwise, Transformer

SMALL = ["small-resnet", "small-plain", "small-depthwise"]
BUNDLED = {"conv": Convolutional, "depthwise": Depthwise, "transformer": Transformer}
LIBRARY = ["alexnet", "vgg-11", *(f"resnet-{depth}" for depth in (18, 34, 50, 101, 152)), "resnext-101"]


def draw(size, seed=0):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_all_names():
    assert list(BACKBONES) == [*SMALL, *BUNDLED, *LIBRARY]


@pytest.mark.parametrize("name", BACKBONES)
def test_what_is_said_of_a_backbone_holds(name):
    with torch.device("meta"):  # shapes without arithmetic
        backbone = make_backbone(name)
        for size in (backbone.size, BACKBONES[name].smallest):
            features = backbone.module(torch.zeros(2, 3, size, size))
            assert features.shape[:2] == (2, backbone.channels)
            assert features.shape[2] == features.shape[3] >= 1
    assert backbone.name == name
    assert len(backbone.mean) == len(backbone.std) == 3
    assert BACKBONES[name].summary
    usual = 32 if name in SMALL else 160 if name in BUNDLED else 224
    assert (backbone.size, make_backbone(name, size=99).size if name in SMALL else 99) == (usual, 99)


@pytest.mark.parametrize("name", BACKBONES)
def test_smaller_photos_are_refused(name):
    with pytest.raises(EncoderError, match=f"at least {BACKBONES[name].smallest} pixels a side, not 3"):
        make_backbone(name, size=3)


def test_an_unknown_name_lists_those_that_there_are():
    with pytest.raises(EncoderError, match="no backbone is called 'resnet-19'") as refused:
        make_backbone("resnet-19")
    assert all(name in str(refused.value) for name in BACKBONES)


@pytest.mark.parametrize("name", SMALL)
def test_without_weights_a_seed_decides(name):
    made = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        made.append(next(iter(make_backbone(name).module.parameters())))
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert made[0].requires_grad


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_networks_come_with_their_weights_and_give_their_last_map(name):
    stored = load_file(BUNDLE / f"{name}.safetensors")
    prefix = "trunk.backbone."
    network = BUNDLED[name]()
    network.load_state_dict({k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)})
    found = make_backbone(name, pretrained=True).module.eval()(draw(64))
    assert torch.equal(found, network.eval()(draw(64))[-1])
    assert not torch.equal(found, make_backbone(name).module.eval()(draw(64)))


def test_small_ones_have_no_pretrained_weights():
    with pytest.raises(EncoderError, match="small-plain has no pretrained weights; those that have are conv, depth"):
        make_backbone("small-plain", pretrained=True)


def test_weights_come_from_one_place(tmp_path):
    with pytest.raises(EncoderError, match="not both"):
        make_backbone("conv", weights=tmp_path / "any.safetensors", pretrained=True)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_from_a_file(tmp_path, suffix):
    path = tmp_path / f"weights.{suffix}"
    torch.manual_seed(0)
    module = make_backbone("small-plain").module
    write = save_file if suffix == "safetensors" else torch.save
    write(module.state_dict(), path)
    found = make_backbone("small-plain", weights=path).module
    assert torch.equal(found.eval()(draw(32)), module.eval()(draw(32)))


@pytest.mark.parametrize("name", ["small-depthwise", "conv"])
def test_weights_from_a_checkpoint(tmp_path, name):
    path = tmp_path / "hash.safetensors"
    torch.manual_seed(0)
    backbone = make_backbone(name)
    save_checkpoint(path, make_hash_network("any", backbone, 8), {"backbone": name})
    found = make_backbone(name, weights=path).module
    torch.testing.assert_close(found.eval()(draw(32)), backbone.module.eval()(draw(32)), rtol=0.02, atol=0.02)
    with pytest.raises(EncoderError, match=r"hash.safetensors: does not hold the weights of small-plain: missing"):
        make_backbone("small-plain", weights=path)


def test_a_hash_network_is_the_backbone_below_a_hash_layer():
    backbone = make_backbone("small-plain", size=28)
    network = make_hash_network("mine", backbone, 20).eval()
    assert isinstance(network, HashNetwork)
    assert (network.name, network.dim, network.trunk.size) == ("mine", 20, 28)
    photos = draw(28).sigmoid()
    features = backbone.module((photos - 0.5) / 0.25)
    torch.testing.assert_close(network(photos), network.head(features))
    with pytest.raises(EncoderError, match="at least one bit: 0"):
        make_hash_network("none", backbone, 0)
