"""JPEG's quantisation tables: from a quality setting, and back to the setting behind a file's tables."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# ITU-T T.81 (1992), tables K.1 and K.2: luminance and chrominance at quality 50, row by row.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *([99] * 32),
)


def scaled_tables(quality: NDArray[np.int64]) -> NDArray[np.int64]:
    """The tables of libjpeg at settings of 1 to 100, (Q,): (Q, 2, 64), luminance and chrominance, row by row.

    libjpeg scales the tables of ITU-T T.81 by s = 5000 / q below quality 50 and 200 - 2q from there on, in
    percent, rounded and held within 1 to 255.
    """
    standard = np.array([_LUMINANCE, _CHROMINANCE], dtype=np.int64)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return ((standard * scale[:, None, None] + 50) // 100).clip(1, 255)


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Estimates the quality setting of libjpeg, 1 to 100, from quantisation tables.

    The answer is the q whose tables, as `scaled_tables` gives them, are nearest in the sum of absolute
    differences: exact for files of libjpeg, the nearest equivalent for cameras and programs with tables of
    their own.

    Args:
        tables: 64 entries each, row by row; table 0 is luminance, table 1 chrominance where there is one.

    Returns:
        The quality, or None when there is no luminance table.
    """
    found = [np.asarray(tables[i], dtype=np.int64) for i in (0, 1) if i in tables and len(tables[i]) == 64]
    if 0 not in tables or not found:
        return None
    quality = np.arange(1, 101)
    distance = np.abs(scaled_tables(quality)[:, : len(found)] - np.stack(found)).sum(axis=(1, 2))
    return int(quality[distance.argmin()])
