"""Files of weights that do not fit, are damaged or are something else."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from recessive.encoders import EncoderError
from recessive.encoders.weight_files import load_weights, read_weights


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1, bias=False))


def changed(**entries):
    weights = {**network().state_dict(), **{key.replace("__", "."): value for key, value in entries.items()}}
    return {key: value for key, value in weights.items() if value is not None}


def test_weights_that_fit_are_taken_in_the_networks_own_precision(tmp_path):
    path = tmp_path / "half.safetensors"
    save_file({key: value.half() for key, value in network().state_dict().items() if value.ndim}, path)
    other = nn.Sequential(*(type(layer)(*size) for layer, size in zip(network(), [(3, 4, 1), (4,), (4, 2, 1)])))  # noqa: B905
    other[2].bias = None
    load_weights(other, read_weights(path), path, "tiny")
    for key, tensor in other.state_dict().items():
        assert torch.equal(tensor, network().state_dict()[key].half().to(tensor.dtype))
        assert tensor.dtype in (torch.float32, torch.int64)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (changed(**{"0__bias": None}), "missing 0.bias"),
        ({}, "missing 0.weight, 0.bias, 1.weight and 4 more"),
        (changed(more=torch.zeros(1)), "unknown more"),
        (changed(**{"2__weight": torch.zeros(2, 5, 1, 1)}), r"2.weight has shape \(2, 5, 1, 1\), not \(2, 4, 1, 1\)"),
        (changed(**{"0__bias": torch.full((4,), torch.nan)}), "not finite: 0.bias"),
        (changed(**{"1__running_var": torch.full((4,), torch.inf)}), "not finite: 1.running_var"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_told(tmp_path, weights, message):
    target = network()
    before = {key: tensor.clone() for key, tensor in target.state_dict().items()}
    path = tmp_path / "odd.pth"
    torch.save(weights, path)
    with pytest.raises(EncoderError, match=f"odd.pth: does not hold the weights of tiny: {message}") as refused:
        load_weights(target, read_weights(path), path, "tiny")
    assert "\n" not in str(refused.value)
    assert all(torch.equal(tensor, before[key]) for key, tensor in target.state_dict().items())


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("content", [b"", b"nothing of use", b"\x80\x02garbage", b"PK\x03\x04torn", bytes(100)])
def test_damaged_files_are_one_clear_error(tmp_path, suffix, content):
    path = tmp_path / f"torn.{suffix}"
    path.write_bytes(content)
    with pytest.raises(EncoderError, match=r"torn\.\w+: is damaged, or no file of weights: ") as refused:
        read_weights(path)
    assert "\n" not in str(refused.value)


def test_files_that_are_cut_short(tmp_path):
    for suffix, write in (("safetensors", save_file), ("pth", torch.save)):
        path = tmp_path / f"whole.{suffix}"
        write(network().state_dict(), path)
        torn = tmp_path / f"torn.{suffix}"
        torn.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(EncoderError, match="is damaged"):
            read_weights(torn)


class Harmful:
    def __reduce__(self):
        return print, ("this must not run",)


def test_code_in_a_pickle_does_not_run(tmp_path, capsys):
    path = tmp_path / "harmful.pth"
    path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(EncoderError, match="is damaged"):
        read_weights(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stored", [[1, 2], {"epoch": 3}, {"state_dict": {"a": torch.zeros(1)}}])
def test_anything_but_tensors_by_name_is_refused(tmp_path, stored):
    path = tmp_path / "other.pth"
    torch.save(stored, path)
    with pytest.raises(EncoderError, match="does not hold weights by name"):
        read_weights(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EncoderError, match=r"gone.pth: there is no such file"):
        read_weights(tmp_path / "gone.pth")
    with pytest.raises(EncoderError, match="there is no such file"):
        read_weights(tmp_path)
