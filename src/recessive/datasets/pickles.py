"""Pickles of plain values and arrays, read without calling anything that they name.

A pickle names functions to be called. Letting it call no more than NumPy's own is not enough: with the right state for
a data type, those take its bytes for addresses. So the few names that an array is made of stand for functions
of this file, which look at what they are given.
"""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recessive.datasets.errors import DataError, MissingDataError

_PLAIN_TYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,6}")


def read_pickle(path: Path) -> Any:  # noqa: ANN401 - whatever was written
    """Reads numbers, texts, lists, tuples, dictionaries, and arrays and scalars of NumPy, of Python 2 or 3.

    An array comes as something that `numpy.asarray` makes an array of.

    Raises:
        MissingDataError: the file is not there.
        DataError: it is damaged, or wants to load anything else.
    """
    try:
        with path.open("rb") as file:
            return PlainUnpickler(file, encoding="latin1").load()
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged pickle raises anything
        raise DataError(f"{path}: is no pickle of plain values and arrays, or is damaged ({error})") from error


class PlainUnpickler(pickle.Unpickler):
    """Reads plain values and arrays; give it encoding "latin1", so that texts of Python 2 come as texts."""

    def find_class(self, module: str, name: str) -> Callable[..., object]:
        """What stands for a name; a new function each time, so that a pickle cannot change it for the next one."""
        stand_in = _STAND_INS.get((module.replace("numpy.core.", "numpy._core."), name))
        if stand_in is None:
            raise pickle.UnpicklingError(f"it wants to load {module}.{name}")

        def call(*arguments: object) -> object:
            return stand_in(*arguments)

        return call


class _PlainType:
    """For ``numpy.dtype``: numbers and texts of one size, in either order of bytes."""

    def __init__(self, code: str, *_: object) -> None:
        if not _PLAIN_TYPE.fullmatch(code):
            raise pickle.UnpicklingError(f"it holds an array of type {code}")
        self.type: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.type = self.type.newbyteorder(state[1])


class _PlainArray:
    """For ``numpy.ndarray``, which a pickle makes empty and then fills."""

    def __init__(self, *_: object) -> None:
        self.array: NDArray[Any] = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, data = state
        self.array = _array(data, kind, shape, "F" if by_columns else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:  # noqa: ANN401, FBT001
        return np.array(self.array, dtype=dtype, copy=copy)


def _array(data: bytes | str, kind: _PlainType, shape: tuple[int, ...], order: Any, *_: object) -> NDArray[Any]:  # noqa: ANN401
    content = data.encode("latin1") if isinstance(data, str) else data  # Python 2 knew no difference
    return np.frombuffer(content, kind.type).reshape(shape, order=order)


def _scalar(kind: _PlainType, data: bytes | str) -> object:
    value: object = _array(data, kind, (), "C").item()
    return value


def _encoded(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes written as {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


_STAND_INS: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): _PlainType,
    ("numpy", "ndarray"): _PlainArray,
    ("numpy._core.multiarray", "_reconstruct"): _PlainArray,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy._core.numeric", "_frombuffer"): _array,
    ("_codecs", "encode"): _encoded,  # how protocols 0 to 2 write bytes,
    ("__builtin__", "bytes"): _no_bytes,  # and none of them
}
