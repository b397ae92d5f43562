"""Descriptions that need not be computed again: of unchanged photos in an index, and of an index under construction.

A process may be killed at any time. The next one that builds the same index resumes from what was saved.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from recessive.encoders import EncoderError, Vocabulary
from recessive.files import write_whole
from recessive.galleries.index_file import IndexFile, IndexFileError, read_index, write_index
from recessive.searchers import SearchEncoder
from recessive.visual_words import VisualWords

Item = Tensor | VisualWords
"""The description of one photo: a descriptor or code (D,), or its visual words."""

Key = tuple[str, int, int]
"""The version of a photo: its name, its size in bytes, and the time of its last change in nanoseconds."""

PART = 256  # photos per part
_REQUEST, _VOCABULARY, _PARTS = "asked.json", "vocabulary.safetensors", "*.part"
_TEMPORARY = ".*.tmp"  # left by a process that was killed while it wrote


class PhotoFile(NamedTuple):
    """A photo in the indexed folder: its path, and its key with the path relative to the folder as its name."""

    path: Path
    key: Key


def known_items(describer: SearchEncoder, sources: Iterable[IndexFile]) -> dict[Key, Item]:
    """The descriptions that indexes, or parts of one, hold: by name, size and time of the photos.

    Args:
        describer: the encoder that made the descriptions.
        sources: where photos occur more than once, the last source counts.

    Raises:
        IndexFileError: if one of them is damaged.
    """
    found: dict[Key, Item] = {}
    for source in sources:
        try:
            items = describer.kind.items(source.gallery)
        except ValueError as error:
            raise IndexFileError(f"the index is damaged ({error}); use --overwrite to replace it") from error
        if len(items) != len(source.names):
            raise IndexFileError("the index is damaged: photos are missing; use --overwrite to replace it")
        keys = ((name, *stamp) for name, stamp in zip(source.names, source.stamps.tolist(), strict=True))
        found.update(zip(keys, items, strict=True))
    return found


class PartialIndex:
    """The hidden folder beside an index in which descriptions are saved until the index is written.

    Whatever was saved there for a different request is removed.

    Args:
        out: the path of the future index.
        request: all that decides its content, as JSON values.

    Raises:
        IndexFileError: if the folder cannot be read.
    """

    def __init__(self, out: Path, request: Mapping[str, Any]) -> None:
        self.folder = out.with_name(f".{out.name}.partial")
        self._request = json.dumps(request, sort_keys=True).encode()
        try:
            if (self.folder / _REQUEST).read_bytes() != self._request:
                self.remove()
        except FileNotFoundError:
            self.remove()
        except OSError as error:
            raise IndexFileError(f"{self.folder} cannot be read: {error.strerror or error}") from error

    def vocabulary(self) -> Vocabulary | None:
        """The visual vocabulary that was trained for this index, if there is one."""
        try:
            return Vocabulary.load(self.folder / _VOCABULARY)
        except EncoderError:
            return None  # missing, or of another version: it is trained again

    def save_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Save a vocabulary, since training it may have taken long.

        Raises:
            IndexFileError: if it cannot be written.
        """
        try:
            vocabulary.save(self._created() / _VOCABULARY)
        except OSError as error:
            raise IndexFileError(f"{self.folder} cannot be written: {error.strerror or error}") from error

    def parts(self, digest: str) -> list[IndexFile]:
        """The saved parts whose encoder has this digest."""
        found = []
        for path in sorted(self.folder.glob(_PARTS)):
            with contextlib.suppress(IndexFileError):  # damaged: its photos are described again
                part = read_index(path)
                if part.card.get("digest") == digest:
                    found.append(part)
        return found

    @contextlib.contextmanager
    def saving(self, describer: SearchEncoder) -> Iterator[Callable[[PhotoFile, Item], None]]:
        """A context that yields a function which adds a described photo.

        Photos are saved in parts of `PART`, and the rest when the context is left by an exception.

        Args:
            describer: the encoder that describes the photos.

        Raises:
            IndexFileError: if a part cannot be written.
        """
        waiting: list[tuple[PhotoFile, Item]] = []

        def save() -> None:
            names = tuple(file.key[0] for file, _ in waiting)
            stamps = np.array([file.key[1:] for file, _ in waiting], np.int64)
            arrays = describer.kind.arrays([item for _, item in waiting])
            part = IndexFile({"digest": describer.digest}, names, stamps, arrays)
            write_index(self._created() / f"{secrets.token_hex(8)}.part", part)
            waiting.clear()

        def add(file: PhotoFile, item: Item) -> None:
            waiting.append((file, item))
            if len(waiting) >= PART:
                save()

        try:
            yield add
        except IndexFileError:
            raise
        except BaseException:
            if waiting:
                save()
            raise

    def remove(self) -> None:
        """Remove all that was saved, and the folder unless it holds other files."""
        with contextlib.suppress(OSError):
            for pattern in (_REQUEST, _VOCABULARY, _PARTS, _TEMPORARY):
                for path in self.folder.glob(pattern):
                    path.unlink()
            self.folder.rmdir()

    def _created(self) -> Path:
        """The folder, created if it is missing: another process that built the same index may have removed it."""
        try:
            if not (self.folder / _REQUEST).exists():
                self.folder.mkdir(exist_ok=True)
                write_whole(self.folder / _REQUEST, self._request)
        except OSError as error:
            raise IndexFileError(f"{self.folder} cannot be written: {error.strerror or error}") from error
        return self.folder
