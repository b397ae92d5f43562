"""Checkpoints in the public format, written here with random weights: no file is downloaded."""

from __future__ import annotations

import importlib
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recessive.encoders import EncoderError
from recessive.encoders.networks.library import guard
from recessive.encoders.retrieval.files import (
    ARCHITECTURES,
    load_retrieval_network,
    numbered_layers,
)

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
META = {
    "architecture": "resnet18",
    "local_whitening": False,
    "pooling": "gem",
    "regional": False,
    "whitening": False,
    "mean": MEAN,
    "std": STD,
    "outputdim": 512,
}
WIDE = 512


@pytest.fixture(scope="module")
def layers():
    """torchvision's ResNet-18 up to its last ReLU, with random weights and statistics, as the public code cuts it."""
    guard()
    torch.manual_seed(0)
    network = importlib.import_module("torchvision.models").resnet18(weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    features = nn.Sequential(*list(network.children())[:-2]).eval().requires_grad_(requires_grad=False)
    assert "0.weight" in features.state_dict()  # conv1
    assert "7.1.bn2.running_var" in features.state_dict()  # the last layer of the last stage
    return features


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "tiny-gem-0123456.pth"
    yield found
    found.unlink(missing_ok=True)  # 45 MB


def write(path, layers, meta=None, *, whole=True, legacy=False, **more):
    """A checkpoint; not whole, it lacks most weights and is small, for what is refused before they matter."""
    state = {f"features.{key}": value for key, value in layers.state_dict().items()}
    state = state if whole else dict(list(state.items())[:2])
    state |= {key.replace("__", "."): value for key, value in more.items()}
    stored = {"meta": {**META, **(meta or {})}, "state_dict": state}
    torch.save(stored, path, _use_new_zipfile_serialization=not legacy)


def photos(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def maps(layers, values):
    return layers((values - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1))


def gem(features, p):
    return F.normalize(features.clamp(min=1e-6).pow(p).mean(dim=(2, 3)).pow(1 / p))


def linear(seed):
    torch.manual_seed(seed)
    layer = nn.Linear(WIDE, WIDE).requires_grad_(requires_grad=False)
    return layer.weight.data, layer.bias.data


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_network_with_gem(path, layers):
    write(path, layers, pool__p=torch.tensor([2.5]))
    state = torch.get_rng_state()
    network, values = load_retrieval_network(path), photos(2, 3, 64, 96)
    assert torch.equal(torch.get_rng_state(), state)
    assert (network.name, network.dim, network.outputs) == ("tiny-gem-0123456", 512, "descriptor")
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    close(network(values), gem(maps(layers, values), 2.5))
    # Multi-scale, with the network's own exponent.
    first, second = gem(maps(layers, values), 2.5), gem(maps(layers, F.avg_pool2d(values, 2)), 2.5)
    both = load_retrieval_network(path, scales=(1.0, 0.5), longest_side=96)
    close(both(values), F.normalize(((first**2.5 + second**2.5) / 2) ** (1 / 2.5)))
    with pytest.raises(EncoderError, match="sees sides of at least 32 pixels, the limit is 20"):
        load_retrieval_network(path, longest_side=20)
    # The same by the function that takes files of weights, too.
    assert torch.equal(load_retrieval_network(path, "gem", scales=(1.0, 0.5), longest_side=96)(values), both(values))
    with pytest.raises(EncoderError, match=r"tiny-gem-0123456\.pth: pools by gem, not by mac; use gem:/"):
        load_retrieval_network(path, "mac")


def test_whitening_layers_before_and_after_pooling(path, layers):
    (local, at), (weight, bias) = linear(1), linear(2)
    write(
        path,
        layers,
        {"whitening": True, "local_whitening": True},
        pool__p=torch.tensor([3.0]),
        lwhiten__weight=local,
        lwhiten__bias=at,
        whiten__weight=weight,
        whiten__bias=bias,
    )
    values = photos(2, 3, 64, 96)

    def by_hand(seen):
        places = F.conv2d(maps(layers, seen), local[:, :, None, None], at)
        return F.normalize(gem(places, 3) @ weight.T + bias)

    close(load_retrieval_network(path)(values), by_hand(values))
    both = load_retrieval_network(path, scales=(1.0, 0.5))
    close(both(values), F.normalize(by_hand(values) + by_hand(F.avg_pool2d(values, 2))))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whitening_learned_afterwards(path, layers, legacy):
    """Arrays, as NumPy 2 writes them into a zip file, and as NumPy 1 wrote them into torch's first format."""
    random = np.random.default_rng(0)
    learned = {
        key: {"m": random.normal(0, 0.1, (WIDE, 1)).astype(kind), "P": random.normal(0, 1, (WIDE, WIDE)).astype(kind)}
        for key, kind in (("ss", np.float32), ("ms", np.float64))
    }
    learned["ms"]["P"] = np.asfortranarray(learned["ms"]["P"])
    meta = {"Lw": {"retrieval-SfM-30k": {}, "retrieval-SfM-120k": learned}}
    write(path, layers, meta, legacy=legacy, pool__p=torch.tensor([3.0]))
    if legacy:
        content = path.read_bytes()
        assert b"numpy._core.multiarray\n" in content
        path.write_bytes(content.replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n"))
    values = photos(2, 3, 64, 96)
    for key, scales in (("ss", (1.0,)), ("ms", (1.0, 0.5))):
        plain = load_retrieval_network(path, scales=scales)(values).numpy()
        whitened = (plain - learned[key]["m"].T) @ learned[key]["P"].T
        expected = whitened / np.linalg.norm(whitened, axis=1, keepdims=True)
        network = load_retrieval_network(path, scales=scales, whitening="retrieval-SfM-120k")
        assert network.dim == WIDE
        close(network(values), torch.from_numpy(expected).float())


# Of the map of a photo of 96 × 160, 3 × 5: top, left, side.
REGIONS = [
    *[(0, left, 3) for left in (0, 2)],
    *[(top, left, 2) for top in (0, 1) for left in (0, 1, 3)],
    *[(top, left, 1) for top in (0, 1, 2) for left in (0, 1, 2, 4)],
]


@pytest.mark.parametrize("pooling", ["rmac", "gem"])
def test_regional_pooling(path, layers, pooling):
    values = photos(1, 3, 96, 160)
    features = maps(layers, values)
    parts = [features, *(features[:, :, t : t + s, left : left + s] for t, left, s in REGIONS)]
    if pooling == "rmac":
        write(path, layers, {"pooling": "rmac"})
        total = sum(F.normalize(part.amax(dim=(2, 3))) for part in parts)
    else:
        weight, bias = linear(3)
        more = {"pool__rpool__p": torch.tensor([2.0]), "pool__whiten__weight": weight, "pool__whiten__bias": bias}
        write(path, layers, {"regional": True}, **more)
        total = sum(F.normalize(gem(part, 2) @ weight.T + bias) for part in parts)
    close(load_retrieval_network(path)(values), F.normalize(total))


def test_a_checkpoint_without_what_has_defaults(path, layers):
    """Old ones have no word of whitening layers and regions, and no counters of batches; training adds more beside."""
    state = {f"features.{key}": value for key, value in layers.state_dict().items() if "num_batches" not in key}
    meta = {key: META[key] for key in ("architecture", "mean", "std")} | {"pooling": "mac"}
    torch.save({"epoch": 30, "meta": meta, "state_dict": state, "min_loss": 0.1}, path)
    values = photos(1, 3, 64, 64)
    close(load_retrieval_network(path)(values), F.normalize(maps(layers, values).amax(dim=(2, 3))))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_the_channels_and_the_smallest_side_that_are_told(architecture):
    channels, smallest = ARCHITECTURES[architecture]
    guard()
    with torch.device("meta"):  # shapes alone
        features = numbered_layers(architecture).eval()
        assert features(torch.zeros(1, 3, smallest, smallest)).shape == (1, channels, 1, 1)
    assert next(iter(features.state_dict())).startswith("0.")
    if not architecture.startswith("resnet"):  # whose blocks end with one
        assert isinstance(features[-1], nn.ReLU)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"architecture": "resnet17"}, "its architecture is 'resnet17'; known are alexnet, vgg11"),
        ({"architecture": ["resnet18"]}, r"its architecture is \['resnet18'\]"),
        ({"pooling": "gemmp"}, "its pooling is 'gemmp'; known are gem, mac, spoc, rmac"),
        ({"pooling": None}, "its pooling is None"),
        ({"mean": [0.5, 0.5]}, r"its mean is not three numbers, one per channel: \[0.5, 0.5\]"),
        ({"mean": 0.5}, "its mean is not three numbers"),
        ({"std": [0.2, 0.0, 0.2]}, "its std is not three numbers"),
        ({"std": [0.2, float("nan"), 0.2]}, "its std is not three numbers"),
        ({"std": ["a", "b", "c"]}, "its std is not three numbers"),
        ({}, "holds no whitening 'SfM'; it holds none"),
        ({"Lw": {"other": {}, "more": {}}}, "holds no whitening 'SfM'; it holds other, more"),
        ({"Lw": {"SfM": {}}}, r"whitening 'SfM' \(ss\) is damaged"),
        ({"Lw": {"SfM": {"ss": {"m": np.zeros(512)}}}}, r"whitening 'SfM' \(ss\) is damaged: 'P'"),
        ({"Lw": {"SfM": {"ss": {"m": np.zeros(4), "P": np.eye(4)}}}}, r"whitening 'SfM' \(ss\) is damaged: shape"),
        (
            {"Lw": {"SfM": {"ss": {"m": np.zeros(512), "P": np.eye(4)}}}},
            r"whitening 'SfM' .*, not \(512,\) and \(4, 4\)",
        ),
        (
            {"Lw": {"SfM": {"ss": {"m": np.zeros(512), "P": np.full((512, 512), np.nan)}}}},
            "whitening 'SfM' .* finite values only",
        ),
        ({"Lw": {"SfM": {"ss": {"m": [0.0], "P": 1}}}}, r"whitening 'SfM' \(ss\) is damaged"),
    ],
)
def test_checkpoints_that_are_refused(path, layers, meta, message):
    write(path, layers, meta, whole=False)
    with pytest.raises(EncoderError, match=f"0123456.pth: {message}") as refused:
        load_retrieval_network(path, whitening="SfM")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("meta", "more", "message"),
    [
        ({}, {}, "does not hold the weights of resnet18: missing features.1.bias, "),
        ({"architecture": "resnet34"}, {}, "does not hold the weights of resnet34: missing"),
        ({"whitening": True}, {}, "missing"),
    ],
)
def test_weights_that_do_not_fit_are_told(path, layers, meta, more, message):
    write(path, layers, meta, whole=False, **more)
    with pytest.raises(EncoderError, match=message) as refused:
        load_retrieval_network(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("exponent", "message"),
    [
        (torch.tensor([0.0]), "GeM's exponent lies in 1 to 6, not 0"),
        (torch.tensor([7.0]), "not 7"),
        (torch.tensor([torch.nan]), "not finite: pool.p"),
        (torch.ones(512), r"pool.p has shape \(512,\), not \(\)"),
    ],
)
def test_exponents_that_cannot_be(path, layers, exponent, message):
    write(path, layers, pool__p=exponent)
    with pytest.raises(EncoderError, match=message):
        load_retrieval_network(path)


@pytest.mark.parametrize("content", [b"", b"nothing of use", b"\x80\x02garbage", b"PK\x03\x04torn", bytes(100)])
def test_damaged_files_are_one_clear_error(path, content):
    path.write_bytes(content)
    with pytest.raises(EncoderError, match=r"0123456.pth: is damaged, or no file of weights: ") as refused:
        load_retrieval_network(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("legacy", [False, True])
def test_files_that_are_cut_short_or_altered(path, layers, legacy):
    meta = {"architecture": "none", "Lw": {"SfM": {"ss": {"m": np.zeros(4), "P": np.eye(4)}}}}
    write(path, layers, meta, whole=False, legacy=legacy)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    for position in random.integers(0, len(whole) - 1, 40):
        for torn in (whole[:position], whole[:position] + b"\xff" + whole[position + 1 :]):
            path.write_bytes(torn)
            with pytest.raises(EncoderError) as refused:  # of an unknown architecture, at best
                load_retrieval_network(path)
            assert "\n" not in str(refused.value)


class Harmful:
    def __reduce__(self):
        return print, ("this must not run",)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"meta": META, "state_dict": {"a": Harmful()}}, "more than arrays, numbers and text"),
        ({"meta": {**META, "Lw": np.array([Harmful()])}, "state_dict": {}}, "is damaged, or no file of weights"),
        ({"meta": {**META, "Lw": np.array([None])}, "state_dict": {}}, "it holds an array of type O8"),
        ([1, 2], "does not hold weights by name"),
        ({"state_dict": {}}, "does not hold weights by name"),
        ({"meta": META, "state_dict": None}, "it has no 'meta' and 'state_dict'"),
        ({"meta": META, "state_dict": {"features.0.weight": 3}}, "its 'state_dict' holds more than weights"),
        ({"meta": META, "state_dict": {0: torch.zeros(1)}}, "its 'state_dict' holds more than weights"),
    ],
)
def test_files_that_are_something_else(path, capsys, stored, message):
    torch.save(stored, path)
    with pytest.raises(EncoderError, match=message):
        load_retrieval_network(path)
    path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(EncoderError, match="more than arrays, numbers and text"):
        load_retrieval_network(path)
    assert capsys.readouterr().out == ""


def test_a_missing_file_is_named(tmp_path):
    for missing in (tmp_path / "gone.pth", tmp_path):
        with pytest.raises(EncoderError, match=f"{missing.name}: there is no such file of weights"):
            load_retrieval_network(missing)


def test_without_torchvision_it_is_said_what_to_install(path, layers, monkeypatch):
    write(path, layers, whole=False)
    monkeypatch.setitem(importlib.import_module("sys").modules, "torchvision.models", None)
    with pytest.raises(EncoderError, match=r'pip install "recessive\[pretrained\]"'):
        load_retrieval_network(path)
