"""NumPy arrays in files that torch saved, read without NumPy's own unpickling.

torch reads a file without running its code (`weights_only`) if every class in it is known to be harmless. Those of
NumPy's arrays are not: a pickle sets the flags of a dtype, and wrong ones make NumPy take numbers for addresses. So
stand-ins take their places, which know real numbers and nothing else. The names are those of NumPy 1 and 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


class PickledType:
    """The type of an array's values: 32 or 64 bits of floating point.

    Args:
        code: "f4" or "f8".
        align: as NumPy writes it; without meaning here.
        copy: as NumPy writes it; without meaning here.
    """

    def __init__(self, code: str, align: object = None, copy: object = None) -> None:  # noqa: ARG002 - as pickled
        if code not in ("f4", "f8"):
            raise ValueError(f"arrays of {code!r} are not read, only floating-point ones")
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """The order of bytes, from what NumPy writes of a dtype."""
        order = state[1]
        if order not in ("<", ">", "="):
            raise ValueError(f"{order!r} is no order of bytes")
        self.code = order + self.code[-2:]


class PickledArray:
    """An array of floating-point numbers; `values` is a tensor (float32 or float64) of its shape."""

    values: Tensor

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """From what NumPy writes of an array: version, shape, type, whether columns come first, and bytes."""
        _, shape, kind, by_columns, content = state
        if not isinstance(kind, PickledType) or not isinstance(content, bytes):
            raise ValueError("a torn array")  # noqa: TRY004 - a damaged file, as all else here
        found = np.frombuffer(content, kind.code).reshape(shape, order="F" if by_columns else "C")
        self.values = torch.from_numpy(found.astype(found.dtype.newbyteorder("="), order="C"))


def _empty(kind: object, shape: object, code: object) -> PickledArray:  # noqa: ARG001 - as pickled; the state says all
    return PickledArray()


STAND_INS: list[Any] = [
    (PickledArray, "numpy.ndarray"),
    (PickledType, "numpy.dtype"),
    (_empty, "numpy.core.multiarray._reconstruct"),
    (_empty, "numpy._core.multiarray._reconstruct"),
]
"""For `torch.serialization.safe_globals`."""
