"""The size of a photo from the first bytes of its file, without decoding: for uploads that are still arriving.

Pillow opens WebP, AVIF and HEIC only once they are complete, and allocates their pixels; of PNG it unpacks texts and
profiles first. The package imagesize takes the last size of a container with several pictures for its size, although
another may be larger, and does not distinguish a head that is still arriving from a damaged one.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

from recessive.errors import PhotoError
from recessive.photos.formats import HEADER, Format, checked_format

_MOST_STEPS = 2_000  # segments, boxes or directory entries before the size; only malicious files have more
_LARGEST_FILE = 1 << 40
_UPLOAD = Path("photo")
_JPEG_SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, except for the tables in between
_JPEG_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a segment
_JPEG_PIXELS, _JPEG_END = 0xDA, 0xD9
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_NUMBERS = {3: "H", 4: "I", 16: "Q"}  # SHORT, LONG, LONG8

Read = Callable[[int, int], bytes]  # (offset, count) to bytes


@dataclass(frozen=True)
class PhotoHead:
    """What the first bytes of a file tell.

    Attributes:
        format: the format of the content.
        width: the width in pixels, as stored: before EXIF orientation is applied and HEIC's padding to whole blocks is
            cropped; None while more bytes are needed.
        height: the height in pixels, likewise.
    """

    format: Format
    width: int | None = None
    height: int | None = None


class _MoreNeeded(Exception):  # noqa: N818 (an answer rather than an error)
    """The file ends before its size is known."""


def photo_head(data: bytes) -> PhotoHead | None:
    """Reads format and size from the first bytes of a file.

    Args:
        data: the bytes that have arrived.

    Returns:
        None while the bytes are too few to tell the format.

    Raises:
        PhotoError: if the bytes are not the beginning of a photo; the path of the error is ``photo``.
    """
    if len(data) < HEADER:
        return None
    try:
        return _head(BytesIO(data))
    except _MoreNeeded:
        return PhotoHead(checked_format(data, _UPLOAD))


def file_head(file: IO[bytes]) -> PhotoHead:
    """Reads format and size from a complete file.

    Args:
        file: the file, open for reading; its position is moved.

    Raises:
        PhotoError: if it is not a photo, or ends before its size is known.
    """
    try:
        return _head(file)
    except _MoreNeeded:
        raise PhotoError(_UPLOAD, "is cut short: it ends before its size is known") from None


def _head(file: IO[bytes]) -> PhotoHead:
    file.seek(0)
    format_ = checked_format(file.read(HEADER), _UPLOAD)

    def read(offset: int, count: int) -> bytes:
        if offset > _LARGEST_FILE:  # beyond what files can seek to
            raise _MoreNeeded
        file.seek(offset)
        got = file.read(count)
        if len(got) < count:
            raise _MoreNeeded
        return got

    try:
        width, height = _SIZES[format_](read)
    except ValueError:
        width = height = 0
    if width < 1 or height < 1:
        raise PhotoError(_UPLOAD, f"is damaged: its size is not where {format_} has it")
    return PhotoHead(format_, width, height)


def _jpeg(read: Read) -> tuple[int, int]:
    """From the start of frame, after segments that consist of a marker and a length."""
    offset = 2
    for _ in range(_MOST_STEPS):
        first, marker = read(offset, 2)
        if first != 0xFF or marker in (0x00, 0xFF):
            offset += 1  # padding or garbage between segments, which decoders skip
        elif marker in _JPEG_BARE:
            offset += 2
        elif marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", read(offset + 5, 4))
            return width, height
        elif marker in (_JPEG_PIXELS, _JPEG_END):
            break
        else:
            offset += 2 + max(2, int.from_bytes(read(offset + 2, 2), "big"))
    raise ValueError


def _png(read: Read) -> tuple[int, int]:
    if read(12, 4) != b"IHDR":
        raise ValueError
    width, height = struct.unpack(">II", read(16, 8))
    return width, height


def _webp(read: Read) -> tuple[int, int]:
    kind = read(12, 4)
    if kind == b"VP8X":
        sides = read(24, 6)
        return 1 + int.from_bytes(sides[:3], "little"), 1 + int.from_bytes(sides[3:], "little")
    if kind == b"VP8L" and read(20, 1) == b"\x2f":
        bits = int.from_bytes(read(21, 4), "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and read(23, 3) == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", read(26, 4))
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError


def _tiff(read: Read) -> tuple[int, int]:
    """From the first directory, wherever it is; BigTIFF has wider counts and offsets."""
    order = "<" if read(0, 2) == b"II" else ">"
    big = b"+" in read(2, 2)
    counts, entry, inline = ("Q", 20, 12) if big else ("H", 12, 8)
    (start,) = struct.unpack(order + ("Q" if big else "I"), read(8, 8) if big else read(4, 4))
    width_of_count = struct.calcsize(counts)
    (entries,) = struct.unpack(order + counts, read(start, width_of_count))
    sides: dict[int, int] = {}
    for number in range(min(entries, _MOST_STEPS)):
        data = read(start + width_of_count + number * entry, entry)
        tag, kind = struct.unpack(order + "HH", data[:4])
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and kind in _TIFF_NUMBERS:
            sides[tag] = struct.unpack_from(order + _TIFF_NUMBERS[kind], data, inline)[0]
        if len(sides) == 2:
            return sides[_TIFF_WIDTH], sides[_TIFF_HEIGHT]
    raise ValueError


def _heif(read: Read) -> tuple[int, int]:
    """The largest of the sizes (`ispe`) listed in meta, iprp, ipco: tiles and thumbnails are smaller."""
    offset, end, path = 0, None, [b"meta", b"iprp", b"ipco"]
    largest = (0, 0)
    for _ in range(_MOST_STEPS):
        if end is not None and offset >= end:
            break
        size, kind = struct.unpack(">I4s", read(offset, 8))
        header = 8
        if size == 1:
            size, header = int.from_bytes(read(offset + 8, 8), "big"), 16
        if 0 < size < header or (end is not None and offset + size > end):
            raise ValueError
        if path and kind == path[0]:
            end = offset + size if size else None
            offset += header + (4 if kind == b"meta" else 0)  # after version and flags
            path.pop(0)
            continue
        if not path and kind == b"ispe":
            width, height = struct.unpack(">II", read(offset + header + 4, 8))
            largest = max(largest, (width, height), key=lambda sides: sides[0] * sides[1])
        if size == 0:  # up to the end of the file
            break
        offset += size
    return largest


_SIZES: dict[Format, Callable[[Read], tuple[int, int]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "TIFF": _tiff,
    "HEIF": _heif,
    "AVIF": _heif,
}
