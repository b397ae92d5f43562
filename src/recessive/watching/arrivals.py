"""Photos that arrive in a folder: which files are there, and which of them have stopped changing."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from recessive.photos import format_of_path


class Stamp(NamedTuple):
    """What shows, without reading it, that a file has changed: its size in bytes and its modification time in ns."""

    size: int
    modified: int


@dataclass(frozen=True)
class Listing:
    """The content of a folder. Paths are relative to it, with "/" as separator.

    Attributes:
        photos: the files whose names are those of photos.
        skipped: the files and folders that were not examined, and why.
        others: the suffixes of all other files, such as ".mp4".
    """

    photos: dict[str, Stamp] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


def list_photos(folder: Path) -> Listing:
    """List the photos below a folder, by their suffix.

    Hidden files and folders, and names that end in "~", are left out: programs write unfinished files there. Links to
    files count as files; links to folders are not followed, since they may form a circle.

    Raises:
        OSError: if the folder itself cannot be read.
    """
    found, root = Listing(), str(folder)

    def skip(error: OSError) -> None:
        path = str(error.filename)
        if path == root:
            raise error
        if not isinstance(error, FileNotFoundError):  # files and folders come and go, and links may dangle
            found.skipped[os.path.relpath(path, root)] = f"cannot be read: {error.strerror or error}"

    for here, folders, files in os.walk(root, onerror=skip):
        folders[:] = filter(_is_visible, folders)
        below = "" if here == root else f"{os.path.relpath(here, root)}/"
        for name in folders:
            if os.path.islink(f"{here}/{name}"):  # noqa: PTH114 - much faster
                found.skipped[below + name] = "is a link to a folder, and not followed"
        for name in filter(_is_visible, files):
            _, dot, last = name.rpartition(".")
            suffix = f"{dot}{last}" if dot else ""
            if not _of_photos(suffix):
                found.others.add(suffix.lower())
                continue
            try:
                now = os.stat(f"{here}/{name}")  # noqa: PTH116 - much faster
            except OSError as error:
                skip(error)
            else:
                if stat.S_ISREG(now.st_mode):
                    found.photos[below + name] = Stamp(now.st_size, now.st_mtime_ns)
    return found


def _is_visible(name: str) -> bool:
    return not (name.startswith(".") or name.endswith("~"))


@cache
def _of_photos(suffix: str) -> bool:
    return format_of_path(Path(f"photo{suffix}")) is not None


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None if there is no such file."""
    try:
        now = path.stat()
    except OSError:
        return None
    return Stamp(now.st_size, now.st_mtime_ns)


@dataclass
class Arrival:
    """A photo that waits to be protected.

    Attributes:
        stamp: the stamp of the file.
        since: the time when it was first seen with that stamp.
        due: the time from which on it may be taken.
        delays: how often something other than the photo prevented its protection.
    """

    stamp: Stamp
    since: float
    due: float
    delays: int = 0


class Arrivals:
    """The photos that wait. A photo may be taken once its stamp has not changed for `settle` seconds.

    Seconds are measured by the clock of this process. File times are never compared with it: on a network drive they
    come from another machine.

    Args:
        settle: the number of seconds without a change.
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self._waiting: dict[str, Arrival] = {}

    def __getitem__(self, name: str) -> Arrival:
        return self._waiting[name]

    def update(self, photos: Mapping[str, Stamp], now: float) -> None:
        """Replace the waiting photos by those that are there now; unchanged ones keep their times."""
        before, self._waiting = self._waiting, {}
        for name, stamp in sorted(photos.items()):
            known = before.get(name)
            unchanged = known is not None and known.stamp == stamp
            self._waiting[name] = known if known and unchanged else Arrival(stamp, now, now + self.settle)

    def ready(self, now: float) -> str | None:
        """The first photo, by name, that may be taken."""
        return next((name for name, arrival in self._waiting.items() if arrival.due <= now), None)

    def postpone(self, name: str, due: float) -> None:
        """Let a photo wait until a time, or until it changes; only until it changes when the time is infinite."""
        self._waiting[name].due = due

    def remove(self, name: str) -> None:
        """Remove a photo that has been dealt with."""
        del self._waiting[name]

    def due(self) -> dict[str, float]:
        """All photos that will be taken without a change, and when."""
        return {name: arrival.due for name, arrival in self._waiting.items() if arrival.due < math.inf}
