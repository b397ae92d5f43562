from __future__ import annotations

import numpy as np
import pytest
import torch

from recessive.encoders.pickled_arrays import STAND_INS, PickledArray, PickledType

NUMBERS = np.arange(6).reshape(2, 3) / 4


def read(path):
    with torch.serialization.safe_globals(STAND_INS):
        return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    "array",
    [
        NUMBERS.astype("<f4"),
        NUMBERS.astype("<f8"),
        NUMBERS.astype(">f4"),
        NUMBERS.astype(">f8"),
        np.asfortranarray(NUMBERS),
        NUMBERS.T,
        NUMBERS[:, ::2],
        np.array(2.5),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_arrays_come_back_as_tensors(tmp_path, array, zipped):
    path = tmp_path / "arrays.pth"
    torch.save({"one": array, "two": [array, torch.ones(2)]}, path, _use_new_zipfile_serialization=zipped)
    found = read(path)
    assert found["two"][0] is found["one"]
    assert isinstance(found["one"], PickledArray)
    values = found["one"].values
    assert torch.equal(values, torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C")))
    values.add_(1)  # memory of its own, without a warning
    assert torch.equal(found["two"][1], torch.ones(2))


@pytest.mark.parametrize(
    "array", [np.arange(3), np.array(["text"]), np.array([None]), np.zeros(2, "f2"), np.zeros(2, "c8")]
)
def test_arrays_of_anything_else_are_refused(tmp_path, array):
    path = tmp_path / "arrays.pth"
    torch.save(array, path)
    with pytest.raises(Exception, match="are not read, only floating-point ones"):
        read(path)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((1, (4, 3), PickledType("f4"), False, bytes(24)), "cannot reshape"),
        ((1, (2, 3), PickledType("f4"), False, bytes(23)), "multiple of element size"),
        ((1, (2, 3), "f4", False, bytes(24)), "a torn array"),
        ((1, (2, 3), PickledType("f4"), False, "text"), "a torn array"),
        ((1, (2, 3)), "not enough values"),
    ],
)
def test_torn_arrays_are_refused(state, message):
    with pytest.raises(ValueError, match=message):
        PickledArray().__setstate__(state)


def test_an_unknown_order_of_bytes_is_refused():
    with pytest.raises(ValueError, match=r"'\|' is no order of bytes"):
        PickledType("f4").__setstate__((3, "|", None, None, None, -1, -1, 0))
