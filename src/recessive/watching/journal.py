"""The journal of a watched folder: what became of its photos, remembered across restarts.

The file has one line of JSON per photo and only grows while it is in use. A line is on the disk before the photo is
moved, so that a move that was cut short can be completed from it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from recessive.errors import SettingsError
from recessive.files import write_whole
from recessive.watching.arrivals import Stamp

State = Literal["protected", "held", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one version of one file. The names of the attributes are the keys in the file.

    Attributes:
        input: the path of the photo, relative to the watched folder.
        size: its size in bytes.
        modified: its modification time in nanoseconds.
        digest: the digest of its content.
        state: what became of it.
        output: the path of the result, relative to the folder for that state; None for a failure.
        reason: why it was held, or failed.
        asked: the digest of the settings.
    """

    input: str
    size: int
    modified: int
    digest: str
    state: State
    output: str | None
    reason: str | None
    asked: str

    @property
    def stamp(self) -> Stamp:
        """The stamp of the file."""
        return Stamp(self.size, self.modified)


class Journal:
    """The entries of a journal, all of them in memory.

    Args:
        path: the path of the file; its folder must exist.

    Raises:
        SettingsError: if the file exists and cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_input: dict[str, Entry] = {}
        self._by_content: dict[tuple[str, str], Entry] = {}
        self._names: dict[tuple[State, str], tuple[str, str]] = {}
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror or error}") from error
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):  # cut short by a crash: that photo is protected again
                self._remember(Entry(**json.loads(line)))
        # The file is appended to only while its lines are whole and few of them are outdated; else it is rewritten.
        self._tidy = len(lines) <= 2 * len(self._by_content) and all(line.endswith(b"\n") for line in lines)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_content.values())

    def last(self, input_: str) -> Entry | None:
        """The latest entry for a path."""
        return self._by_input.get(input_)

    def find(self, input_: str, digest: str) -> Entry | None:
        """The entry for a path and a content."""
        return self._by_content.get((input_, digest))

    def taken(self, state: State, output: str, photo: tuple[str, str]) -> bool:
        """Whether another photo (input, digest) was ever given this name, in upper or lower case."""
        return self._names.get((state, output.casefold()), photo) != photo

    def add(self, entry: Entry) -> None:
        """Write an entry to the disk and remember it.

        Raises:
            OSError: if it cannot be written.
        """
        if self._tidy and self._path.is_file():
            self._tidy = False  # until the whole line is written
            with self._path.open("ab") as file:
                file.write(_line(entry))
                file.flush()
                os.fsync(file.fileno())
        else:
            others = (old for key, old in self._by_content.items() if key != (entry.input, entry.digest))
            write_whole(self._path, b"".join(map(_line, (*others, entry))))
        self._tidy = True
        self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        key = (entry.input, entry.digest)
        self._by_input[entry.input] = entry
        self._by_content.pop(key, None)  # keep the order of the lines: the last entry of an input is its latest
        self._by_content[key] = entry
        if entry.output is not None:
            self._names[entry.state, entry.output.casefold()] = key


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry)).encode() + b"\n"
