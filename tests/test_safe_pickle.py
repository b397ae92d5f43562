import io
import os
import pickle
import struct

import numpy as np
import pytest
import torch

from recessive import safe_pickle
from recessive.safe_pickle import TORCH_STAND_INS, PlainArray, PlainType
from recessive.safe_pickle import read_pickle as read


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as the strings of Python 2."""

    dispatch = pickle._Pickler.dispatch.copy()

    def string(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = string


def python2(value):
    out = io.BytesIO()
    Python2Pickler(out, 2).dump(value)
    return out.getvalue()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back(protocol):
    value = {"a": [1, -2.5, None, True], "b": (b"\x00\xff", "\u00e9"), 3: [[]], "x": {"y": ()}}
    assert read(pickle.dumps(value, protocol)) == value


ARRAYS = [
    np.array([200, 1, 70_000]),
    np.array([], dtype=np.uint8),
    np.array([[1.5, 2], [3, 4]], dtype=np.float32),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    np.arange(5, dtype=">i2"),
    np.array([True, False]),
    np.array(["keble", "\u00e9"]),
    np.array([b"ab", b"c"]),
    np.arange(24).reshape(2, 3, 4)[:, ::2],
    np.array(7),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_arrays_come_back(array, protocol):
    found = np.asarray(read(pickle.dumps({"x": [array]}, protocol))["x"][0])
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert found.shape == array.shape


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_scalars_come_back(protocol):
    found = read(pickle.dumps([np.int64(-3), np.float32(0.5), np.uint16(60_000), np.bool_(True)], protocol))
    assert found == [-3, 0.5, 60_000, True]
    assert [type(value) for value in found] == [int, float, int, bool]


def test_pickles_of_python_2_are_read():
    value = {"imlist": ["keble_000001"], "gnd": [{"easy": np.array([3, 200, 255], dtype=np.uint8), "bbx": [1.5, 2]}]}
    found = read(python2(value))
    assert (found["imlist"], found["gnd"][0]["bbx"]) == (["keble_000001"], [1.5, 2])
    assert np.asarray(found["gnd"][0]["easy"]).tolist() == [3, 200, 255]


def test_older_numpy_called_its_parts_otherwise():
    data = pickle.dumps(np.arange(3), 4)
    assert b"numpy._core" in data
    shorter = data.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
    assert b"numpy._core" not in shorter
    start = shorter.index(b"\x95")  # the frame's length comes behind it
    length = struct.unpack("<Q", shorter[start + 1 : start + 9])[0] - 1
    found = read(shorter[: start + 1] + struct.pack("<Q", length) + shorter[start + 9 :])
    assert np.asarray(found).tolist() == [0, 1, 2]


class Call:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_nothing_else_is_loaded(tmp_path):
    ran = tmp_path / "ran"
    for payload in (Call(os.mkdir, str(ran)), {"easy": [Call(os.mkdir, str(ran))]}, Call(eval, f"open({str(ran)!r})")):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(pickle.UnpicklingError, match=r"is no pickle of plain values and arrays.*wants to load"):
                read(pickle.dumps(payload, protocol))
    assert not ran.exists()


def test_bytes_are_never_taken_for_addresses():
    # With these flags NumPy itself would follow eight bytes of text to wherever they point.
    kind = b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR(K\x03X\x01\x00\x00\x00|NNNK\x08K\x08K\x00tb"
    array = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR(K\x01(K\x01t" + kind
    with pytest.raises(pickle.UnpicklingError, match="holds an array of type O8"):
        read(b"\x80\x03" + array + b"\x89C\x08AAAAAAAAtb.")
    with pytest.raises(pickle.UnpicklingError, match="holds an array of type O8"):
        read(pickle.dumps(np.array([{}, None], dtype=object)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps(np.arange(1_000))[:-500],
        pickle.dumps(np.arange(8)).replace(b"K\x08\x85", b"K\x09\x85"),  # nine numbers in the room of eight
        b"\x80\x02cnumpy\ndtype\n(K\x07tR.",
        b"\x80\x02cnumpy\nndarray\n)R(K\x01tb.",
        b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00uu64tR.",
    ],
)
def test_damaged_files_are_named(data):
    with pytest.raises(pickle.UnpicklingError) as caught:
        read(data)
    assert str(caught.value).partition("is no pickle of plain values and arrays, or is damaged (")[2]
    assert "\n" not in str(caught.value)


def test_a_pickle_cannot_change_what_the_next_one_finds():
    # BUILD with a pair sets attributes of what was loaded.
    name = b"\x80\x02cnumpy._core.numeric\n_frombuffer\n"
    assert read(name + b"N}X\x04\x00\x00\x00markK\x01s\x86b0K\x07.") == 7
    assert vars(safe_pickle._array) == {}
    with pytest.raises(pickle.UnpicklingError, match="__code__"):
        read(name + b"N}X\x08\x00\x00\x00__code__K\x01s\x86b0K\x07.")


# Arrays in files that torch saved

NUMBERS = np.arange(6).reshape(2, 3) / 4


def read_torch(path):
    with torch.serialization.safe_globals(TORCH_STAND_INS):
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
        np.arange(3),
        np.array(["text"]),
        np.zeros(2, "f2"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_arrays_come_back_from_files_of_torch(tmp_path, array, zipped):
    path = tmp_path / "arrays.pth"
    torch.save({"one": array, "two": [array, torch.ones(2)]}, path, _use_new_zipfile_serialization=zipped)
    found = read_torch(path)
    assert found["two"][0] is found["one"]
    assert isinstance(found["one"], PlainArray)
    assert np.asarray(found["one"]).dtype == array.dtype
    assert np.array_equal(np.asarray(found["one"]), array)
    assert np.array(found["one"]).flags.writeable  # memory of its own
    assert torch.equal(found["two"][1], torch.ones(2))


@pytest.mark.parametrize("array", [np.array([None]), np.zeros(2, "c8"), np.zeros(2, "M8[s]")])
def test_arrays_of_anything_else_are_refused(tmp_path, array):
    path = tmp_path / "arrays.pth"
    torch.save(array, path)
    with pytest.raises(ValueError, match="holds an array of type"):
        read_torch(path)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((1, (4, 3), PlainType("f4"), False, bytes(24)), "cannot reshape"),
        ((1, (2, 3), PlainType("f4"), False, bytes(23)), "multiple of element size"),
        ((1, (2, 3), "f4", False, bytes(24)), "a torn array"),
        ((1, (2, 3), PlainType("f4"), False, 24), "a torn array"),
        ((1, (2, 3), PlainType("f4"), False, "text"), "cannot reshape"),
        ((1, (2, 3)), "not enough values"),
    ],
)
def test_torn_arrays_are_refused(state, message):
    with pytest.raises(ValueError, match=message):
        PlainArray().__setstate__(state)


def test_an_unknown_byte_order_is_refused():
    with pytest.raises(ValueError, match=r"'\|' is no byte order of float32"):
        PlainType("f4").__setstate__((3, "|", None, None, None, -1, -1, 0))
