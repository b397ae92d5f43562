"""The file formats: their names, and what their bytes tell without decoding."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from recessive.errors import PhotoError

Format = Literal["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"]

SUFFIXES: dict[Format, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "HEIF": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
}
"""The suffixes of each format, the usual one first."""

MEDIA_TYPES: dict[Format, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
}
"""The media type of each format, as in HTTP."""

_SIGNATURES: dict[bytes, Format] = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
HEADER = 64  # bytes that `format_of_content` looks at

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


def format_named(name: str) -> Format:
    """Returns the format that people call ``name``: ``"jpg"``, ``"HEIC"``, ``".tif"``, ``"WEBP"``.

    Raises:
        ValueError: if there is no such format; the message lists the formats.
    """
    bare = name.lower().removeprefix(".")
    for format_, suffixes in SUFFIXES.items():
        if bare == format_.lower() or f".{bare}" in suffixes:
            return format_
    raise ValueError(f"unknown photo format {name!r}: choose one of {', '.join(get_args(Format))}")


def format_of_path(path: Path) -> Format | None:
    """Returns the format that the suffix of ``path`` stands for, or None."""
    return next((f for f, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)


def format_of_content(header: bytes) -> Format | None:
    """Returns the format that the first ``HEADER`` bytes of a file announce, or None."""
    for signature, format_ in _SIGNATURES.items():
        if header.startswith(signature):
            return format_
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return "WEBP"
    if header[4:8] == b"ftyp":
        # The brands fill the box except for bytes 12 to 16, which are a version number.
        end = min(int.from_bytes(header[:4], "big"), len(header))
        brands = {header[8:12], *(header[i : i + 4] for i in range(16, end, 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return None


def checked_format(header: bytes, path: Path) -> Format:
    """Returns the format that the first bytes of a photo announce.

    Raises:
        PhotoError: if there are no bytes, or they announce no format.
    """
    if not header:
        raise PhotoError(path, "is empty")
    format_ = format_of_content(header[:HEADER])
    if format_ is None:
        raise PhotoError(path, f"is not a photo in a format that can be read ({', '.join(get_args(Format))})")
    return format_


def is_lossless_webp(file: IO[bytes]) -> bool:
    """Tells whether the first picture in a WebP file is stored without loss."""
    file.seek(12)
    while len(chunk := file.read(8)) == 8:
        if chunk[:4] in (b"VP8L", b"VP8 "):
            return chunk[:4] == b"VP8L"
        size = int.from_bytes(chunk[4:], "little")
        file.seek(size + size % 2, os.SEEK_CUR)
    return False


def scaled_tables(quality: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns libjpeg's tables at quality settings of 1 to 100, (Q,): (Q, 2, 64), luminance first, row by row.

    libjpeg scales the tables of ITU-T T.81 by s percent, s = 5000 / q below quality 50 and 200 - 2q from there on,
    rounds them and clips them to 1 to 255.
    """
    standard = np.array([_LUMINANCE, _CHROMINANCE], dtype=np.int64)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return ((standard * scale[:, None, None] + 50) // 100).clip(1, 255)


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Estimates the quality setting of libjpeg, 1 to 100, from quantisation tables.

    The result is the q whose `scaled_tables` are nearest in the sum of absolute differences: exact for files of
    libjpeg, the nearest equivalent for cameras and programs with tables of their own.

    Args:
        tables: tables of 64 entries, row by row: 0 is luminance, 1 is chrominance if present.

    Returns:
        The quality, or None if there is no luminance table.
    """
    found = [np.asarray(tables[i], dtype=np.int64) for i in (0, 1) if i in tables and len(tables[i]) == 64]
    if 0 not in tables or not found:
        return None
    quality = np.arange(1, 101)
    distance = np.abs(scaled_tables(quality)[:, : len(found)] - np.stack(found)).sum(axis=(1, 2))
    return int(quality[distance.argmin()])
