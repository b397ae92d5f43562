"""Pickles of plain values and NumPy arrays, read without calling anything that they name.

A pickle names functions that reading it is to call. To allow only NumPy's own functions would not be enough: with a
forged state for a data type, they take bytes of the file for memory addresses. The few names that an array consists of
therefore stand for functions and classes of this module, which check what they are given.

`read_pickle` reads a pickle, of Python 2 or 3. `TORCH_STAND_INS` lets `torch.load(..., weights_only=True)` read arrays.
An array arrives as a `PlainArray`, of which `numpy.asarray` makes an array.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PLAIN_TYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,6}")


def read_pickle(data: bytes) -> Any:  # noqa: ANN401 - whatever was written
    """Read numbers, texts, lists, tuples, dictionaries, and arrays and scalars of NumPy.

    Raises:
        pickle.UnpicklingError: if the pickle is damaged, or wants to load anything else.
    """
    try:
        return _PlainUnpickler(io.BytesIO(data), encoding="latin1").load()  # strings of Python 2 become texts
    except Exception as error:  # a damaged pickle raises anything
        raise pickle.UnpicklingError(f"is no pickle of plain values and arrays, or is damaged ({error})") from error


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., object]:
        """The stand-in for a name; a new function each time, so that a pickle cannot change it for the next one."""
        stand_in = _STAND_INS.get((module.replace("numpy.core.", "numpy._core."), name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"it wants to load {module}.{name}")

        def call(*arguments: object) -> object:
            return stand_in(*arguments)

        return call


class PlainType:
    """The stand-in for `numpy.dtype`: numbers and texts of one size, in either byte order.

    Args:
        code: NumPy's code of the type, such as "f4".
    """

    def __init__(self, code: str, *_: object) -> None:
        if not _PLAIN_TYPE.fullmatch(code):
            raise ValueError(f"it holds an array of type {code}")
        self.type: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Set the byte order from the state that NumPy writes of a dtype."""
        order = state[1]
        if order not in ("<", ">", "=") and order != self.type.byteorder:
            raise ValueError(f"{order!r} is no byte order of {self.type}")
        self.type = self.type.newbyteorder(order)


class PlainArray:
    """The stand-in for `numpy.ndarray`, which a pickle creates empty and then fills."""

    def __init__(self, *_: object) -> None:
        self.array: NDArray[Any] = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Fill the array from NumPy's state: version, shape, type, whether columns come first, and bytes."""
        _, shape, kind, by_columns, data = state
        self.array = _array(data, kind, shape, "F" if by_columns else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401, FBT001
        return np.array(self.array, dtype=dtype, copy=copy)


def _array(data: object, kind: object, shape: tuple[int, ...], order: Any, *_: object) -> NDArray[Any]:  # noqa: ANN401
    content = data.encode("latin1") if isinstance(data, str) else data  # Python 2 knew no difference
    if not isinstance(kind, PlainType) or not isinstance(content, bytes | bytearray):
        raise ValueError("it holds a torn array")  # noqa: TRY004 - a damaged file, as all else here
    return np.frombuffer(content, kind.type).reshape(shape, order=order)


def _scalar(kind: object, data: object) -> object:
    value: object = _array(data, kind, (), "C").item()
    return value


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise ValueError(f"it holds bytes written as {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


_STAND_INS: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): PlainType,
    ("numpy", "ndarray"): PlainArray,
    ("numpy._core.multiarray", "_reconstruct"): PlainArray,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _array,
    ("_codecs", "encode"): _encoded,  # how protocols 0 to 2 write bytes,
    ("__builtin__", "bytes"): _no_bytes,  # and none of them
}

TORCH_STAND_INS: list[Any] = [
    (stand_in, f"{package}.{name}")
    for (module, name), stand_in in _STAND_INS.items()
    if module.startswith("numpy")
    for package in {module, module.replace("numpy._core.", "numpy.core.")}
]
"""For `torch.serialization.safe_globals`, under the names of NumPy 1 and 2."""
