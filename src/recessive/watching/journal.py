"""What a watched folder's photos have become, remembered across restarts.

One line of JSON a photo, in a file that only grows while it is in use. A line is on the disk before the photo is moved
to where it says, so that a move that was cut short is finished from it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from recessive.errors import SettingsError
from recessive.files import write_whole
from recessive.watching.arrivals import Stamp

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from collections.abc import Iterator
from pathlib import Path

State = Literal["protected", "held", "failed"]

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one content of one file.

    Attributes:
        input: its path below the watched folder.
        size: in bytes.
        modified: its time in nanoseconds.
        digest: of its content.
        state: what became of it.
        output: path below the folder for that state; None for a failure.
        reason: why it was held, or failed.
        asked: digest of the settings.
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
        """Of the file."""
        return Stamp(self.size, self.modified)


class Journal:
    """The file of entries, all of them in memory.

    Args:
        path: of the file; its folder exists.

    Raises:
        SettingsError: it is there and cannot be read.
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
            with contextlib.suppress(ValueError, TypeError):  # cut short by a crash: that photo is done again
                self._note(Entry(**json.loads(line)))
        # Appended to only while it holds whole lines, and not many that others have replaced.
        self._tidy = len(lines) <= 2 * len(self._by_content) and all(line.endswith(b"\n") for line in lines)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._by_content.values())

    def last(self, input_: str) -> Entry | None:
        """What became last of a file of that path."""
        return self._by_input.get(input_)

    def find(self, input_: str, digest: str) -> Entry | None:
        """What became of that content of a file of that path."""
        return self._by_content.get((input_, digest))

    def taken(self, state: State, output: str, entry: tuple[str, str]) -> bool:
        """Whether another content (input, digest) was ever given that name, in whatever case."""
        return self._names.get((state, output.casefold()), entry) != entry

    def add(self, entry: Entry) -> None:
        """Remember, on the disk first.

        Raises:
            OSError: that failed.
        """
        if self._tidy and self._path.is_file():
            self._tidy = False  # until all of the line is there
            with self._path.open("ab") as file:
                file.write(_line(entry))
                file.flush()
                os.fsync(file.fileno())
        else:
            others = (old for key, old in self._by_content.items() if key != (entry.input, entry.digest))
            write_whole(self._path, b"".join(map(_line, (*others, entry))))
        self._tidy = True
        self._note(entry)

    def _note(self, entry: Entry) -> None:
        key = (entry.input, entry.digest)
        self._by_input[entry.input] = entry
        self._by_content.pop(key, None)  # the order is that of the lines: the last of an input is its last
        self._by_content[key] = entry
        if entry.output is not None:
            self._names[entry.state, entry.output.casefold()] = key


def _line(entry: Entry) -> bytes:
    return json.dumps(asdict(entry)).encode() + b"\n"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Only one process at a time gets past this; the system lets go of it however that ends. Not on Windows.

    Raises:
        SettingsError: another has it, or the file cannot be made.
    """
    try:
        file = path.open("ab")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from error
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _TAKEN:  # else a drive that has no locks
                    held = path.parent.parent
                    raise SettingsError(f"{held}: another watch uses it; stop that, or use another --held") from error
        yield
