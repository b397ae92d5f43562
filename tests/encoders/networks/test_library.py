"""torchvision's networks, with weights that the tests make: no network is asked."""

from __future__ import annotations

import hashlib
import importlib
import socket
import time
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from recessive.encoders import EncoderError, make_backbone
from recessive.encoders.networks import library as library_backbones
from recessive.encoders.networks.library import downloaded, guard


@pytest.fixture(scope="module")
def resnet():
    guard()
    torch.manual_seed(0)
    network = importlib.import_module("torchvision.models").resnet18(weights=None).half().float().eval()
    return network.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def weights(resnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file({k: v.half() if v.is_floating_point() else v for k, v in resnet.state_dict().items()}, path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Where torch looks for downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "hub" / "checkpoints"


def draw(size):
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_a_residual_network_is_the_librarys_up_to_its_pooling(resnet, weights):
    backbone = make_backbone("resnet-18", weights=weights, size=64)
    features = backbone.module.eval()(draw(64))
    assert features.shape == (2, 512, 2, 2)
    torch.testing.assert_close(resnet.fc(features.mean((2, 3))), resnet(draw(64)))
    assert (backbone.mean, backbone.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert not any("fc" in key for key in backbone.module.state_dict())


def test_alexnet_is_the_librarys_up_to_its_pooling(tmp_path):
    guard()
    features = make_backbone("alexnet").module.features
    stored = {f"features.{key}": tensor for key, tensor in features.state_dict().items()}
    path = tmp_path / "alexnet.pth"
    torch.save({**stored, "classifier.6.weight": torch.zeros(2, 2), "classifier.6.bias": torch.zeros(2)}, path)
    found = make_backbone("alexnet", weights=path).module
    assert torch.equal(found(draw(96)), features(draw(96)))
    assert found(draw(96)).shape == (2, 256, 2, 2)


def test_the_weights_of_another_depth_are_refused(weights):
    with pytest.raises(EncoderError, match=r"does not hold the weights of resnet-34: missing layer1.2.conv1.weight"):
        make_backbone("resnet-34", weights=weights)


def test_weights_in_torchs_cache_are_taken_from_there(cache, resnet):
    cache.mkdir(parents=True)
    torch.save(resnet.state_dict(), cache / "resnet18-f37072fd.pth")
    found = make_backbone("resnet-18", pretrained=True).module
    assert torch.equal(found.layer4[1].conv2.weight, resnet.layer4[1].conv2.weight)


def test_offline_it_is_said_which_file_to_place_where(cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EncoderError, match="cannot download the weights of resnet18") as refused:
        make_backbone("resnet-18", pretrained=True)
    assert "https://download.pytorch.org/models/resnet18-f37072fd.pth" in str(refused.value)
    assert str(cache / "resnet18-f37072fd.pth") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture
def offer(monkeypatch):
    """Makes the library say that a model's weights lie at an address."""

    def point(url):
        weights = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(url=url))
        models = SimpleNamespace(get_model_weights=lambda _: weights)
        monkeypatch.setattr(library_backbones, "import_library", lambda _: models)

    return point


def test_a_download_lands_in_torchs_cache(cache, offer, tmp_path):
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    source = tmp_path / f"tiny-{digest}.pth"
    source.write_bytes(b"weights")
    offer(source.as_uri())
    path = downloaded("tiny")
    assert path == cache / source.name
    assert path.read_bytes() == b"weights"
    source.unlink()
    assert downloaded("tiny") == path


def test_a_download_with_another_digest_is_not_kept(cache, offer, tmp_path):
    source = tmp_path / "tiny-00000000.pth"
    source.write_bytes(b"weights")
    offer(source.as_uri())
    with pytest.raises(EncoderError, match="cannot download the weights of tiny"):
        downloaded("tiny")
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("cache")
def test_a_server_that_does_not_answer_is_given_up(offer, monkeypatch):
    monkeypatch.setattr(library_backbones, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        offer(f"http://127.0.0.1:{silent.getsockname()[1]}/tiny-00000000.pth")
        begin = time.monotonic()
        with pytest.raises(EncoderError, match="timed out"):
            downloaded("tiny")
        assert time.monotonic() - begin < 5
    assert socket.getdefaulttimeout() is None


def test_without_torchvision_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(importlib.import_module("sys").modules, "torchvision.models", None)
    with pytest.raises(EncoderError, match=r'pip install "recessive\[pretrained\]"'):
        make_backbone("resnet-18")
