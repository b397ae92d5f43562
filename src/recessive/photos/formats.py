"""The file formats: their names, their suffixes, and how to tell one from its first bytes."""

import os
from pathlib import Path
from typing import IO, Literal, get_args

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

SUPPORTED = ", ".join(get_args(Format))

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


def format_named(name: str) -> Format:
    """Returns the format that a person calls ``name``: ``"jpg"``, ``"HEIC"``, ``".tif"``, ``"WEBP"``.

    Raises:
        ValueError: no such format; the message lists those there are.
    """
    bare = name.lower().removeprefix(".")
    for format_, suffixes in SUFFIXES.items():
        if bare == format_.lower() or f".{bare}" in suffixes:
            return format_
    raise ValueError(f"unknown photo format {name!r}: choose one of {SUPPORTED}")


def format_of_path(path: Path) -> Format | None:
    """Returns the format that the suffix of ``path`` promises, or None when it promises none."""
    return next((f for f, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)


def format_of_content(header: bytes) -> Format | None:
    """Returns the format that the first ``HEADER`` bytes of a file announce, or None for anything else."""
    for signature, format_ in _SIGNATURES.items():
        if header.startswith(signature):
            return format_
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return "WEBP"
    if header[4:8] == b"ftyp":
        # The brands fill the box, except for bytes 12 to 16, which are a version number.
        end = min(int.from_bytes(header[:4], "big"), len(header))
        brands = {header[8:12], *(header[i : i + 4] for i in range(16, end, 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIF_BRANDS:
            return "HEIF"
    return None


def is_lossless_webp(file: IO[bytes]) -> bool:
    """Tells whether the first picture in a WebP file is stored without loss."""
    file.seek(12)
    while len(chunk := file.read(8)) == 8:
        if chunk[:4] in (b"VP8L", b"VP8 "):
            return chunk[:4] == b"VP8L"
        size = int.from_bytes(chunk[4:], "little")
        file.seek(size + size % 2, os.SEEK_CUR)
    return False
