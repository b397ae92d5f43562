"""Index files: a gallery that is ready to search, the photos it was made of, and what made it, in one file.

A safetensors file. Its metadata hold the card as JSON; its tensors are the arrays of the gallery, the names of the
photos as JSON in UTF-8, their sizes and times, and the visual vocabulary where there is one. Arrays are mapped into
memory when it is read: what a search does not look at never leaves the disk.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

FORMAT = 1
_CARD = "recessive-index"
_GALLERY, _VOCABULARY, _PHOTOS, _STAMPS = "gallery.", "vocabulary.", "photos", "stamps"
_KINDS = {
    "float64": "F64",
    "int64": "I64",
    "uint64": "U64",
    "float32": "F32",
    "int32": "I32",
    "uint32": "U32",
    "float16": "F16",
    "int16": "I16",
    "uint16": "U16",
    "int8": "I8",
    "uint8": "U8",
}


class IndexFileError(Exception):
    """An index file cannot be read or written; the message says which, why, and what to do."""


@dataclass(frozen=True, eq=False)
class IndexFile:
    """An index as it lies on the disk; item i of the gallery is the photo `names[i]`.

    Attributes:
        card: what made it, as JSON has it.
        names: of the N photos, relative to the indexed folder, with / between folders.
        stamps: (N, 2), int64: size in bytes and time of the last change in nanoseconds when each photo was read.
        gallery: its arrays by name, as its kind gives and takes them.
        vocabulary: arrays of the visual vocabulary; none for other encoders.
        failed: photos that could not be read, each with what was wrong.
    """

    card: dict[str, Any]
    names: tuple[str, ...]
    stamps: NDArray[np.int64]
    gallery: dict[str, NDArray[Any]]
    vocabulary: dict[str, NDArray[Any]] = field(default_factory=dict)
    failed: tuple[tuple[str, str], ...] = ()


def write_index(path: Path, index: IndexFile) -> int:
    """Write an index whole or not at all; it is on the disk when this returns. A file of that name is replaced.

    Arrays go to the disk as they are, without a copy in memory.

    Args:
        path: of the file; its folder exists.
        index: what it is to hold; the format is added to its card.

    Returns:
        Its size in bytes.

    Raises:
        IndexFileError: it cannot be written.
    """
    photos = json.dumps({"names": index.names, "failed": index.failed}).encode()
    arrays: dict[str, NDArray[Any]] = {
        _PHOTOS: np.frombuffer(photos, np.uint8),
        _STAMPS: index.stamps,
        **{_GALLERY + name: array for name, array in index.gallery.items()},
        **{_VOCABULARY + name: array for name, array in index.vocabulary.items()},
    }
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                _write(file, arrays, json.dumps({**index.card, "format": FORMAT}))
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        said = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or error
        raise IndexFileError(f"{path} cannot be written: {said}") from error
    return size


def _write(file: Any, arrays: Mapping[str, NDArray[Any]], card: str) -> None:  # noqa: ANN401 - an open binary file
    """The bytes of a safetensors file; wide values come first, so that each array is aligned to its values."""
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": {_CARD: card}}
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": _KINDS[array.dtype.name], "shape": array.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, array in ordered:
        file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def read_index(path: Path) -> IndexFile:
    """An index as it was written; its arrays are mapped into memory and read when they are looked at.

    Raises:
        IndexFileError: there is no such file, or it is damaged, no index, or of a later format.
    """
    if path.is_dir():
        raise IndexFileError(f"{path} is a folder, not an index")
    if not path.exists():
        raise IndexFileError(f"{path}: there is no such index; make one with recessive index")
    try:
        with safe_open(path, framework="pt") as stored:
            text = (stored.metadata() or {}).get(_CARD)
            if text is None:
                raise IndexFileError(f"{path} is not an index of ours; make one with recessive index")
            card = _checked_card(path, text)
            arrays = {name: stored.get_tensor(name).numpy() for name in stored.keys()}  # noqa: SIM118 - no dictionary
        listed = json.loads(arrays.pop(_PHOTOS).tobytes())
        names, failed = tuple(listed["names"]), tuple((name, said) for name, said in listed["failed"])
        stamps = arrays.pop(_STAMPS)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise IndexFileError(f"{path}: is damaged or cut short, or no index: {_first_line(error)}") from error
    if stamps.shape != (len(names), 2):
        raise IndexFileError(f"{path}: is damaged: {len(names)} names and stamps of shape {stamps.shape}")
    return IndexFile(card, names, stamps, _below(_GALLERY, arrays), _below(_VOCABULARY, arrays), failed)


def _checked_card(path: Path, text: str) -> dict[str, Any]:
    card = json.loads(text)
    format_ = card["format"]
    if format_ != FORMAT:
        raise IndexFileError(
            f"{path}: is of format {format_!r}, this version of recessive reads format {FORMAT}; "
            f"use the version that made it ({card.get('recessive', 'unknown')}), or index again"
        )
    checked: dict[str, Any] = card
    return checked


def _below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
