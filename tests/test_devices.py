import pytest
import torch

from recessive.devices import fast_precision, pick_device
from recessive.errors import SettingsError


@pytest.mark.parametrize("name", ["nosuch", "cuda:99", "meta"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(SettingsError, match=rf"--device {name}: .*use cpu"):
        pick_device(name)


def test_the_device_by_default_is_a_gpu_where_there_is_one():
    assert pick_device().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("able", "wanted"),
    [
        ({}, "float32"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx2": True}, "float32"),
    ],
)
def test_bfloat16_is_used_where_the_processor_has_it(monkeypatch, able, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert fast_precision(torch.device("cpu")) == wanted
