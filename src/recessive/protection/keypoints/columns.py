"""Rows of a table whose columns are arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Columns:
    """K rows: every field of a subclass is an array (K,)."""

    def __len__(self) -> int:
        """K."""
        first: NDArray[Any] = getattr(self, fields(self)[0].name)
        return len(first)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Some of the rows."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))
