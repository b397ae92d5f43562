"""Photos of a folder, described on all cores, but for those that are described already."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from recessive.errors import photo_error
from recessive.galleries.index_file import IndexFile, IndexFileError
from recessive.parallel import ordered_map
from recessive.photos import PhotoError, read_photo
from recessive.photos.folders import photo_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from torch import Tensor

    from recessive.indexing.unfinished import Unfinished
    from recessive.searchers.describers import SearchEncoder
    from recessive.visual_words import VisualWords

    Item = Tensor | VisualWords

PART = 256  # photos described between two times that they are kept


@dataclass(frozen=True)
class PhotoFile:
    """A photo in the folder.

    Attributes:
        path: where it is.
        name: below the folder, with / between folders.
        stamp: size in bytes, and time of the last change in nanoseconds.
    """

    path: Path
    name: str
    stamp: tuple[int, int]


def stamped_files(folder: Path) -> list[PhotoFile]:
    """The photos below a folder, in the order of their paths.

    Raises:
        SettingsError: it is not a folder, or there is no photo in it.
    """
    found = []
    for path in photo_files(folder, "what is indexed"):
        try:
            status = path.stat()
            stamp = status.st_size, status.st_mtime_ns  # from before it is read: what changes meanwhile is read again
        except OSError:
            stamp = -1, -1  # reading it says what is wrong
        found.append(PhotoFile(path, path.relative_to(folder).as_posix(), stamp))
    return found


class Known:
    """Photos that have not changed since an index, or a part of one, was made: they need not be described.

    Args:
        describer: that made it.
        sources: indexes and parts.
    """

    def __init__(self, describer: SearchEncoder, sources: Sequence[IndexFile]) -> None:
        self._describer = describer
        self._sources = sources
        self._places = {
            (name, *stamp): (source, row)
            for source, index in enumerate(sources)
            for row, (name, stamp) in enumerate(zip(index.names, index.stamps.tolist(), strict=True))
        }
        self._items: dict[int, Sequence[Item]] = {}

    def __contains__(self, file: PhotoFile) -> bool:
        """Whether it is known, and has not changed."""
        return (file.name, *file.stamp) in self._places

    def __getitem__(self, file: PhotoFile) -> Item:
        """What it was described by.

        Raises:
            IndexFileError: the index that knows it is damaged.
        """
        source, row = self._places[file.name, *file.stamp]
        if source not in self._items:
            index = self._sources[source]
            try:
                self._items[source] = self._describer.kind.items(index.gallery)
            except ValueError as error:
                raise IndexFileError(f"the index is damaged ({error}); use --overwrite to make it anew") from error
            if len(self._items[source]) != len(index.names):
                raise IndexFileError("the index is damaged: photos are missing; use --overwrite to make it anew")
        return self._items[source][row]


class Keeping:
    """A context in which described photos are kept, some at a time, and all of them when it is left by an error.

    Args:
        describer: that describes them.
        unfinished: where they are kept.
    """

    def __init__(self, describer: SearchEncoder, unfinished: Unfinished) -> None:
        self._describer = describer
        self._unfinished = unfinished
        self._waiting: list[tuple[PhotoFile, Item]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None and not issubclass(kind, IndexFileError):
            self._keep()

    def add(self, file: PhotoFile, item: Item) -> None:
        """One more photo."""
        self._waiting.append((file, item))
        if len(self._waiting) >= PART:
            self._keep()

    def _keep(self) -> None:
        if self._waiting:
            card: dict[str, Any] = {"digest": self._describer.digest}
            names = tuple(file.name for file, _ in self._waiting)
            stamps = np.array([file.stamp for file, _ in self._waiting], np.int64)
            arrays = self._describer.kind.arrays([item for _, item in self._waiting])
            self._unfinished.keep(IndexFile(card, names, stamps, arrays))
            self._waiting = []


def describe_photos(
    files: Iterable[PhotoFile],
    describer: SearchEncoder,
    keeping: Keeping,
    *,
    progress: Callable[[int], None],
    on_error: Callable[[PhotoError], None] | None = None,
) -> tuple[dict[str, Item], dict[str, str]]:
    """Read and describe photos, on all cores.

    Args:
        files: the photos.
        describer: describes them.
        keeping: told of each that is described.
        progress: told how many are done.
        on_error: told of those that cannot be read or described.

    Returns:
        What each is described by, and what is wrong with the others; by name, in the order of the files.
    """
    files = list(files)
    described: dict[str, Item] = {}
    failed: dict[str, str] = {}

    def describe(file: PhotoFile) -> Item | PhotoError:
        try:
            return describer.describe(read_photo(file.path).pixels)
        except (PhotoError, ValueError, RuntimeError, MemoryError) as error:
            return photo_error(file.path, error, "described")

    with closing(ordered_map(describe, files)) as found:
        for done, (file, item) in enumerate(zip(files, found, strict=True), 1):
            if isinstance(item, PhotoError):
                failed[file.name] = item.problem
                if on_error is not None:
                    on_error(item)
            else:
                described[file.name] = item
                keeping.add(file, item)
            progress(done)
    return described, failed
