import io
import os
import pickle
import struct

import numpy as np
import pytest

from recessive.datasets import DataError, pickles
from recessive.datasets.pickles import read_pickle


@pytest.fixture
def read(tmp_path):
    def written(data):
        path = tmp_path / "some.pkl"
        path.write_bytes(data)
        return read_pickle(path)

    return written


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
def test_plain_values_come_back(read, protocol):
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
def test_arrays_come_back(read, array, protocol):
    found = np.asarray(read(pickle.dumps({"x": [array]}, protocol))["x"][0])
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert found.shape == array.shape


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_scalars_come_back(read, protocol):
    found = read(pickle.dumps([np.int64(-3), np.float32(0.5), np.uint16(60_000), np.bool_(True)], protocol))
    assert found == [-3, 0.5, 60_000, True]
    assert [type(value) for value in found] == [int, float, int, bool]


def test_pickles_of_python_2_are_read(read):
    value = {"imlist": ["keble_000001"], "gnd": [{"easy": np.array([3, 200, 255], dtype=np.uint8), "bbx": [1.5, 2]}]}
    found = read(python2(value))
    assert (found["imlist"], found["gnd"][0]["bbx"]) == (["keble_000001"], [1.5, 2])
    assert np.asarray(found["gnd"][0]["easy"]).tolist() == [3, 200, 255]


def test_older_numpy_called_its_parts_otherwise(read):
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


def test_nothing_else_is_loaded(read, tmp_path):
    ran = tmp_path / "ran"
    for payload in (Call(os.mkdir, str(ran)), {"easy": [Call(os.mkdir, str(ran))]}, Call(eval, f"open({str(ran)!r})")):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(DataError, match=r"some\.pkl: is no pickle of plain values and arrays.*wants to load"):
                read(pickle.dumps(payload, protocol))
    assert not ran.exists()


def test_bytes_are_never_taken_for_addresses(read):
    # With these flags NumPy itself would follow eight bytes of text to wherever they point.
    kind = b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR(K\x03X\x01\x00\x00\x00|NNNK\x08K\x08K\x00tb"
    array = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR(K\x01(K\x01t" + kind
    with pytest.raises(DataError, match="holds an array of type O8"):
        read(b"\x80\x03" + array + b"\x89C\x08AAAAAAAAtb.")
    with pytest.raises(DataError, match="holds an array of type O8"):
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
def test_damaged_files_are_named(read, data):
    with pytest.raises(DataError) as caught:
        read(data)
    assert str(caught.value).partition("some.pkl: is no pickle of plain values and arrays, or is damaged (")[2]
    assert "\n" not in str(caught.value)


def test_a_pickle_cannot_change_what_the_next_one_finds(read):
    # BUILD with a pair sets attributes of what was loaded.
    name = b"\x80\x02cnumpy._core.numeric\n_frombuffer\n"
    assert read(name + b"N}X\x04\x00\x00\x00markK\x01s\x86b0K\x07.") == 7
    assert vars(pickles._array) == {}
    with pytest.raises(DataError, match="__code__"):
        read(name + b"N}X\x08\x00\x00\x00__code__K\x01s\x86b0K\x07.")


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.pkl does not exist"):
        read_pickle(tmp_path / "none.pkl")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_pickle(tmp_path)
