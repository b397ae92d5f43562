"""MobileNetV2 from a file, which the test makes with random weights."""

from __future__ import annotations

import importlib

import pytest
import torch
from safetensors.torch import load_file, save_file

from recessive.encoders import EncoderError
from recessive.encoders.networks.pretrained import mobilenet_v2
from recessive.encoders.networks.torchvision_guard import guard


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    guard()
    timm = importlib.import_module("timm")
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "mobilenetv2_100.safetensors"
    save_file(timm.create_model("mobilenetv2_100", pretrained=False).state_dict(), path)
    return path


def test_it_gives_descriptors_of_unit_length_with_a_gradient(weights):
    encoder = mobilenet_v2(weights, size=64)
    photos = torch.rand(2, 3, 50, 70, generator=torch.Generator().manual_seed(0), requires_grad=True)
    descriptors = encoder(photos)
    assert descriptors.shape == (2, 1280)
    assert (encoder.name, encoder.dim, encoder.outputs) == ("mobilenetv2-gem", 1280, "descriptor")
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))
    (descriptors[0] @ descriptors[1]).backward()
    assert torch.isfinite(photos.grad).all()
    assert (photos.grad != 0).any()
    assert not encoder.training
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_the_weights_are_those_of_the_file(weights):
    stored = load_file(weights)
    network = mobilenet_v2(weights).trunk.backbone.network
    assert torch.equal(network.conv_stem.weight, stored["conv_stem.weight"])


def test_photos_are_seen_between_minus_one_and_one(weights):
    trunk = mobilenet_v2(weights, size=32).trunk
    trunk.backbone = torch.nn.Identity()
    photos = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 32, 2).repeat(1, 1, 1, 16)
    seen = trunk(photos)
    assert (seen.min().item(), seen.max().item()) == (-1, 1)


def test_a_missing_file_is_told_with_its_place(tmp_path):
    with pytest.raises(EncoderError, match=r"nowhere\.safetensors.*mobilenetv2_100"):
        mobilenet_v2(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("kind", ["garbage", "cut", "empty", "others"])
def test_a_file_that_does_not_hold_the_weights_is_told(weights, tmp_path, kind):
    path = tmp_path / "wrong.safetensors"
    if kind == "others":
        save_file({"layer": torch.zeros(3)}, path)
    else:
        whole = weights.read_bytes()
        path.write_bytes({"garbage": b"\x07" * 5000, "cut": whole[: len(whole) // 2], "empty": b""}[kind])
    told = "does not hold the weights of mobilenetv2_100" if kind == "others" else "no file of weights"
    with pytest.raises(EncoderError, match=told):
        mobilenet_v2(path)
