"""Index files: a gallery that is ready to search, the photos that it was made of, and the settings that made it.

An index is a safetensors file. Its metadata hold the card as JSON; its tensors are the arrays of the gallery, the names
of the photos as JSON in UTF-8, their sizes and times, and the visual vocabulary if there is one. Arrays are mapped into
memory when the file is read: what a search does not touch never leaves the disk.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from recessive.errors import RecessiveError
from recessive.files import write_whole

FORMAT = 1
_CARD = "recessive-index"
_GALLERY, _VOCABULARY, _PHOTOS, _STAMPS = "gallery.", "vocabulary.", "photos", "stamps"


class IndexFileError(RecessiveError):
    """An index file cannot be read or written; the message says which, why, and what to do."""


@dataclass(frozen=True, eq=False)
class IndexFile:
    """The content of an index file; item i of the gallery is the photo `names[i]`.

    Attributes:
        card: the settings that made it, as JSON values.
        names: the paths of the N photos relative to the indexed folder, with / between folders.
        stamps: (N, 2), int64: size in bytes and modification time in nanoseconds of each photo when it was read.
        gallery: the arrays of the gallery by name; see `recessive.galleries.kinds`.
        vocabulary: the arrays of the visual vocabulary; empty for other encoders.
        failed: the photos that could not be read, each with its problem.
    """

    card: dict[str, Any]
    names: tuple[str, ...]
    stamps: NDArray[np.int64]
    gallery: dict[str, NDArray[Any]]
    vocabulary: dict[str, NDArray[Any]] = field(default_factory=dict)
    failed: tuple[tuple[str, str], ...] = ()


def write_index(path: Path, index: IndexFile) -> int:
    """Writes an index whole or not at all, replacing a file of that name; see `write_whole`.

    Arrays are written without a copy in memory.

    Args:
        path: path of the file; its folder must exist.
        index: the content; the format is added to its card.

    Returns:
        The size of the file in bytes.

    Raises:
        IndexFileError: if it cannot be written.
    """
    photos = json.dumps({"names": index.names, "failed": index.failed}).encode()
    arrays: dict[str, NDArray[Any]] = {
        _PHOTOS: np.frombuffer(photos, np.uint8),
        _STAMPS: index.stamps,
        **{_GALLERY + name: array for name, array in index.gallery.items()},
        **{_VOCABULARY + name: array for name, array in index.vocabulary.items()},
    }
    try:
        write_whole(path, _safetensors(arrays, json.dumps({**index.card, "format": FORMAT})))
        return path.stat().st_size
    except OSError as error:
        said = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or error
        raise IndexFileError(f"cannot be written: {said}", path) from error


def _safetensors(arrays: Mapping[str, NDArray[Any]], card: str) -> Iterator[bytes | memoryview]:
    """The pieces of a safetensors file; wide values come first, so that each array is aligned to its values."""
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": {_CARD: card}}
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": f"{array.dtype.kind.upper()}{8 * array.itemsize}",
            "shape": array.shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for _, array in ordered:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def read_index(path: Path) -> IndexFile:
    """Reads an index; its arrays are mapped into memory and read on access.

    Raises:
        IndexFileError: if there is no such file, or it is damaged, not an index, or of a later format.
    """
    if path.is_dir():
        raise IndexFileError("is a folder, not an index", path)
    if not path.exists():
        raise IndexFileError("there is no such index; make one with recessive index", path)
    try:
        with safe_open(path, framework="pt") as stored:
            text = (stored.metadata() or {}).get(_CARD)
            if text is None:
                raise IndexFileError("is not an index of recessive; make one with recessive index", path)
            card = json.loads(text)
            if card["format"] != FORMAT:
                raise IndexFileError(
                    f"has format {card['format']!r}, this version of recessive reads format {FORMAT}; use the "
                    f"version that made it ({card.get('recessive', 'unknown')}), or index again",
                    path,
                )
            arrays = {name: stored.get_tensor(name).numpy() for name in stored.keys()}  # noqa: SIM118 - no dictionary
        listed = json.loads(arrays.pop(_PHOTOS).tobytes())
        names, failed = tuple(listed["names"]), tuple((name, said) for name, said in listed["failed"])
        stamps = arrays.pop(_STAMPS)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IndexFileError(f"is damaged or cut short, or no index: {said}", path) from error
    if stamps.shape != (len(names), 2):
        raise IndexFileError(f"is damaged: {len(names)} names and stamps of shape {stamps.shape}", path)
    return IndexFile(card, names, stamps, _below(_GALLERY, arrays), _below(_VOCABULARY, arrays), failed)


def _below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
