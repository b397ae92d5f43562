"""Pretrained encoders by name and by file; the tests make all weights themselves, and no network is asked."""

from __future__ import annotations

import importlib
import socket
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

from recessive.encoders import EncoderError, encode
from recessive.encoders.networks import library
from recessive.encoders.networks.library import guard
from recessive.encoders.networks.pretrained import (
    RECOGNISED,
    FeatureMap,
    LibraryTrunk,
    encoder_from_weights,
    library_encoder,
    recognised_backbone,
)
from recessive.encoders.weight_files import read_weights

guard()
timm = importlib.import_module("timm")
models = importlib.import_module("torchvision.models")


def timm_network(name, **options):
    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False, **options).eval().requires_grad_(requires_grad=False)


def photos(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mobilenetv2_100.safetensors"
    save_file(timm_network("mobilenetv2_100").state_dict(), path)
    return path


@pytest.fixture
def stored(tmp_path):
    """Saves the weights of a network."""

    def save(network):
        path = tmp_path / "stored.safetensors"
        save_file(network.state_dict(), path)
        return path

    return save


# By file


def test_it_gives_descriptors_of_unit_length_with_a_gradient(weights):
    encoder = encoder_from_weights(weights, size=64)
    seen = photos(2, 3, 50, 70).requires_grad_()
    descriptors = encoder(seen)
    assert descriptors.shape == (2, 1280)
    assert (encoder.name, encoder.dim, encoder.outputs) == ("mobilenetv2_100", 1280, "descriptor")
    torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2))
    (descriptors[0] @ descriptors[1]).backward()
    assert torch.isfinite(seen.grad).all()
    assert (seen.grad != 0).any()
    assert not encoder.training
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_the_weights_are_those_of_the_file(weights):
    network = encoder_from_weights(weights).trunk.backbone.network
    assert torch.equal(network.conv_stem.weight, load_file(weights)["conv_stem.weight"])


def test_photos_are_seen_between_minus_one_and_one(weights):
    trunk = encoder_from_weights(weights, size=32).trunk
    trunk.backbone = torch.nn.Identity()
    seen = trunk(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2).expand(1, 3, 32, 2).repeat(1, 1, 1, 16))
    assert (seen.min().item(), seen.max().item()) == (-1, 1)


@pytest.mark.parametrize(
    ("make", "name", "channels", "mean"),
    [
        (lambda: timm_network("mobilenetv2_100", num_classes=3), "mobilenetv2_100", 1280, 0.5),
        (lambda: timm_network("mobilenetv1_100", num_classes=0), "mobilenetv1_100", 1024, 0.5),
        (lambda: timm_network("tf_efficientnet_lite0", num_classes=0), "tf_efficientnet_lite0", 1280, 0.485),
        (lambda: models.squeezenet1_1(weights=None, num_classes=5), "squeezenet1_1", 512, 0.485),
        (lambda: models.resnet18(weights=None, num_classes=2), "resnet-18", 512, 0.485),
    ],
)
def test_networks_are_recognised_by_their_weights(stored, make, name, channels, mean):
    state = torch.get_rng_state()
    path = stored(make())
    torch.set_rng_state(state)
    backbone = recognised_backbone(read_weights(path), path)
    assert torch.equal(torch.get_rng_state(), state)
    assert (backbone.name, backbone.channels, backbone.mean[0]) == (name, channels, mean)
    features = backbone.module(photos(1, 3, 64, 96))
    assert features.shape[:2] == (1, channels)
    inner = backbone.module.network if isinstance(backbone.module, FeatureMap) else backbone.module
    file = load_file(path)
    assert all(torch.equal(tensor, file[key]) for key, tensor in inner.state_dict().items())


def test_padding_is_that_of_tensorflow_where_the_weights_were_trained_with_it(weights):
    expected = timm_network("mobilenetv2_100", pad_type="same").forward_features(photos(1, 3, 65, 64))
    torch.testing.assert_close(
        recognised_backbone(read_weights(weights), weights).module(photos(1, 3, 65, 64)), expected
    )


@pytest.mark.parametrize("name", RECOGNISED)
def test_every_recognised_network_has_the_channels_and_the_smallest_side_that_are_told(name):
    entry = RECOGNISED[name]
    with torch.device("meta"):  # shapes alone
        features = entry.build().eval()(torch.zeros(1, 3, entry.smallest, entry.smallest))
    assert features.shape[:2] == (1, entry.channels)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EncoderError, match=r"nowhere\.safetensors: there is no such file of weights"):
        encoder_from_weights(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("kind", ["garbage", "cut", "empty", "others"])
def test_a_file_that_does_not_hold_known_weights_is_told(weights, tmp_path, kind):
    path = tmp_path / "wrong.safetensors"
    if kind == "others":
        save_file({"layer": torch.zeros(3)}, path)
    else:
        whole = weights.read_bytes()
        path.write_bytes({"garbage": b"\x07" * 5000, "cut": whole[: len(whole) // 2], "empty": b""}[kind])
    told = "the weights of no network that is recognised: mobilenetv2_100, " if kind == "others" else "file of weights"
    with pytest.raises(EncoderError, match=told):
        encoder_from_weights(path)


def test_weights_that_are_not_finite_are_refused(weights, tmp_path):
    path = tmp_path / "broken.safetensors"
    save_file({**load_file(weights), "bn2.bias": torch.full((1280,), torch.nan)}, path)
    with pytest.raises(EncoderError, match=r"does not hold the weights of mobilenetv2_100: not finite: bn2\.bias"):
        recognised_backbone(read_weights(path), path)


# By name


@pytest.mark.parametrize(
    ("name", "network", "dim", "is_map"),
    [
        ("timm:resnet10t", lambda: timm_network("resnet10t"), 512, True),
        ("timm:mobilenetv3_small_050", lambda: timm_network("mobilenetv3_small_050", num_classes=0), 288, True),
        ("timm:vit_tiny_patch16_224", lambda: timm_network("vit_tiny_patch16_224"), 192, False),
        ("torchvision:resnet18", lambda: models.resnet18(weights=None), 512, True),
        ("torchvision:squeezenet1_1", lambda: models.squeezenet1_1(weights=None), 512, True),
        ("torchvision:shufflenet_v2_x0_5", lambda: models.shufflenet_v2_x0_5(weights=None), 1024, True),
    ],
)
def test_descriptors_of_a_library_network(stored, name, network, dim, is_map):
    path, state = stored(network()), torch.get_rng_state()
    encoder = library_encoder(name, weights=path)
    assert torch.equal(torch.get_rng_state(), state)
    assert (encoder.name, encoder.dim, encoder.outputs, encoder.training) == (name, dim, "descriptor", False)
    seen = photos(2, 3, 90, 70).requires_grad_()
    features = encoder.trunk(seen)
    assert (features.ndim == 4) is is_map
    pooled = features.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3) if is_map else features
    descriptors = encoder(seen)
    torch.testing.assert_close(descriptors, F.normalize(pooled))
    assert torch.equal(encode([encoder], seen)[0], descriptors)
    (descriptors[0] @ descriptors[1]).backward()
    assert torch.isfinite(seen.grad).all()
    assert (seen.grad != 0).any()


def test_a_transformer_gives_its_class_token(stored):
    network = timm_network("vit_tiny_patch16_224", num_classes=0)
    encoder = library_encoder("timm:vit_tiny_patch16_224", weights=stored(network))
    seen = photos(1, 3, 260, 300)
    tokens = network.forward_features((encoder.trunk.preprocess(seen) - 0.5) / 0.5)
    torch.testing.assert_close(encoder(seen), F.normalize(tokens[:, 0]))


@pytest.mark.parametrize("name", ["vit_b_16", "swin_t", "maxvit_t", "googlenet", "inception_v3"])
def test_torchvisions_networks_without_a_plain_feature_map(name):
    with torch.device("meta"):
        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        features = library.without_classifier(models.get_model(name, weights=None, **options)).eval()
        size = 299 if name == "inception_v3" else 224
        assert features(torch.zeros(1, 3, size, size)).ndim == (4 if name == "maxvit_t" else 2)


@pytest.mark.parametrize(
    ("name", "channels"),
    [("densenet121", 1024), ("vgg11", 512), ("convnext_tiny", 768), ("efficientnet_b0", 1280), ("mnasnet0_5", 1280)],
)
def test_torchvisions_networks_up_to_their_feature_map(name, channels):
    with torch.device("meta"):
        network = library.without_classifier(models.get_model(name, weights=None)).eval()
        assert network(torch.zeros(1, 3, 224, 224)).shape == (1, channels, 7, 7)
    assert not any(key.startswith("classifier") for key in network.state_dict())


SHAPES = [(300, 400), (401, 299), (180, 224), (64, 48)]


def smooth(height, width):
    small = photos(1, 3, 9, 12, seed=height)
    return (F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1) * 255).round().div(255)


def pillow(photo):
    return Image.fromarray(photo[0].permute(1, 2, 0).mul(255).round().numpy().astype(np.uint8))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["center", "squash"])
def test_photos_are_seen_as_timm_evaluates(shape, mode):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    expected = timm.data.create_transform(
        (3, 224, 224), interpolation="bicubic", mean=mean, std=std, crop_pct=0.9, crop_mode=mode
    )
    trunk = LibraryTrunk(
        torch.nn.Identity(), 224, mean, std, resized=int(224 / 0.9), mode="bicubic", squash=mode == "squash"
    )
    seen = trunk(smooth(*shape))
    assert seen.shape == (1, 3, 224, 224)
    torch.testing.assert_close(seen[0], expected(pillow(smooth(*shape))), rtol=0, atol=0.05)  # 2.5 levels of 8 bits


@pytest.mark.parametrize("shape", SHAPES)
def test_photos_are_seen_as_torchvision_evaluates(shape):
    data = models.ResNet18_Weights.DEFAULT.transforms()
    trunk = LibraryTrunk(torch.nn.Identity(), 224, data.mean, data.std, resized=256)
    seen = trunk(smooth(*shape))
    torch.testing.assert_close(seen[0], data(pillow(smooth(*shape))), rtol=0, atol=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (3000, 2)])
def test_photos_of_any_shape_are_seen_at_once(shape):
    trunk = LibraryTrunk(torch.nn.Identity(), 224, (0.5,) * 3, (0.5,) * 3, resized=256, mode="bicubic")
    assert trunk(photos(1, 3, *shape)).shape == (1, 3, 224, 224)


@pytest.mark.parametrize("name", ["timm:resnt18", "torchvision:resnt18"])
def test_an_unknown_model_is_told_with_similar_names(name):
    with pytest.raises(EncoderError, match=r"resnt18: the library has no such model; similar names are .*resnet18"):
        library_encoder(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "'resnet18' names no network of a library; write timm:MODEL or torchvision:MODEL"),
        ("timm:", "names no network of a library"),
        ("timm:resnet18.best", r"timm:resnet18\.best cannot be loaded: .*tag"),
        ("torchvision:resnet18.BEST", "resnet18 has no weights called 'BEST'; there are IMAGENET1K_V1"),
        ("timm:test_vit", "cannot download"),
    ],
)
def test_what_cannot_be_had_is_one_clear_error(monkeypatch, tmp_path, name, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(EncoderError, match=message) as refused:
        library_encoder(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:resnet18"])
def test_weights_of_another_network_are_refused(weights, name):
    with pytest.raises(EncoderError, match="does not hold the weights of resnet18: missing"):
        library_encoder(name, weights=weights)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Empty caches of both libraries."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_timms_weights_in_the_hubs_cache_are_taken_from_there(cache, monkeypatch):
    monkeypatch.setattr(library, "_check_online", lambda _: pytest.fail("no server need be asked"))
    network = timm_network("test_resnet")
    repository = cache / "models--timm--test_resnet.r160_in1k"
    snapshot = repository / "snapshots" / ("0" * 40)
    for folder in (snapshot, repository / "refs"):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    save_file(network.state_dict(), snapshot / "model.safetensors")
    encoder = library_encoder("timm:test_resnet")
    seen = photos(1, 3, 160, 200)
    found = encoder.trunk.backbone.network.state_dict()
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in found.items())
    assert encoder(seen).shape == (1, encoder.dim)
    (snapshot / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(EncoderError, match="timm:test_resnet cannot be loaded"):
        library_encoder("timm:test_resnet")


def test_torchvisions_weights_in_torchs_cache_are_taken_from_there(cache):
    network = models.squeezenet1_1(weights=None)
    (cache / "checkpoints").mkdir(parents=True)
    torch.save(network.state_dict(), cache / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    encoder = library_encoder("torchvision:squeezenet1_1")
    assert torch.equal(encoder.trunk.backbone.features[0].weight, network.features[0].weight)


@pytest.mark.usefixtures("cache")
def test_offline_it_is_said_at_once_how_to_get_the_weights(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    begin = time.monotonic()
    with pytest.raises(EncoderError, match=r"HF_HUB_OFFLINE is set.*hf download timm/resnet18\.a1_in1k") as refused:
        library_encoder("timm:resnet18")
    assert "\n" not in str(refused.value)
    assert time.monotonic() - begin < 5


@pytest.mark.usefixtures("cache")
def test_a_hub_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(library, "PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begin = time.monotonic()
        with pytest.raises(EncoderError, match=r"cannot download the weights of resnet18 \(timed out\)"):
            library_encoder("timm:resnet18")
        assert time.monotonic() - begin < 5


@pytest.mark.parametrize("module", ["timm", "torchvision.models"])
def test_without_the_library_it_is_said_what_to_install(monkeypatch, module):
    monkeypatch.setitem(importlib.import_module("sys").modules, module, None)
    name = module.partition(".")[0]
    with pytest.raises(EncoderError, match=rf'needs {name}: pip install "recessive\[pretrained\]"'):
        library_encoder(f"{name}:resnet18")
