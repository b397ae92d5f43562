"""Photos that arrive in a folder: what lies there, and what has come to rest."""

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
    """What tells, without reading it, that a file has changed: its size in bytes, and its time in nanoseconds."""

    size: int
    modified: int


@dataclass(frozen=True)
class Listing:
    """What lies below a folder. Paths are below it, with "/" between their parts.

    Attributes:
        photos: files named as photos.
        passed_over: what was not looked into, and why.
        others: suffixes of the files that are not named as photos, such as ".mp4".
    """

    photos: dict[str, Stamp] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)


def list_photos(folder: Path) -> Listing:
    """List the photos below a folder, by their suffix.

    Hidden files and folders, and names that end in "~", are left out: programs write there what is not finished. Links
    to files count as files; links to folders are not followed, so that none leads round in a circle.

    Raises:
        OSError: the folder itself cannot be read.
    """
    found, below = Listing(), [""]
    while below:
        here = below.pop()
        try:
            below += _look_into(folder, here, found)
        except OSError as error:
            if not here:
                raise
            if not isinstance(error, FileNotFoundError):  # folders come and go
                found.passed_over[here.rstrip("/")] = f"cannot be read: {error.strerror or error}"
    return found


def _look_into(folder: Path, here: str, found: Listing) -> list[str]:
    """Add what lies in the folder `here`, which ends in "/", to what is found; the folders in it."""
    below = []
    with os.scandir(folder / here) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.endswith("~"):
                continue
            name = f"{here}{entry.name}"
            try:
                if entry.is_dir(follow_symlinks=False):
                    below.append(f"{name}/")
                else:
                    _count(found, name, entry)
            except FileNotFoundError:  # renamed since, or a link to nothing
                continue
            except OSError as error:
                found.passed_over[name] = f"cannot be read: {error.strerror or error}"
    return below


def _count(found: Listing, name: str, entry: os.DirEntry[str]) -> None:
    if entry.is_symlink() and entry.is_dir():
        found.passed_over[name] = "is a link to a folder, and not followed"
        return
    _, dot, last = entry.name.rpartition(".")
    suffix = f"{dot}{last}" if dot else ""
    if not _of_photos(suffix):
        found.others.add(suffix.lower())
        return
    now = entry.stat()
    if stat.S_ISREG(now.st_mode):
        found.photos[name] = Stamp(now.st_size, now.st_mtime_ns)


@cache
def _of_photos(suffix: str) -> bool:
    return format_of_path(Path(f"photo{suffix}")) is not None


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None where there is none."""
    try:
        now = path.stat()
    except OSError:
        return None
    return Stamp(now.st_size, now.st_mtime_ns)


@dataclass
class Arrival:
    """A photo that waits for its turn.

    Attributes:
        stamp: of the file.
        since: when it was first seen with that stamp.
        due: when it may be taken.
        hindered: how often something else than the photo was in the way.
    """

    stamp: Stamp
    since: float
    due: float
    hindered: int = 0


class Arrivals:
    """Photos that wait: one may be taken when its stamp has not changed for a while, by the clock of whoever looks.

    The times of files are not compared with the clock: on a network drive that is another machine's.

    Args:
        settle: seconds without a change.
    """

    def __init__(self, settle: float) -> None:
        self.settle = settle
        self._waiting: dict[str, Arrival] = {}

    def __getitem__(self, name: str) -> Arrival:
        return self._waiting[name]

    def look(self, photos: Mapping[str, Stamp], now: float) -> None:
        """Take note of what waits now; what is not among it has gone."""
        before, self._waiting = self._waiting, {}
        for name in sorted(photos):
            known, stamp = before.get(name), photos[name]
            same = known is not None and known.stamp == stamp
            self._waiting[name] = known if known and same else Arrival(stamp, now, now + self.settle)

    def ripe(self, now: float) -> str | None:
        """The first, by name, that may be taken."""
        return next((name for name, arrival in self._waiting.items() if arrival.due <= now), None)

    def later(self, name: str, due: float) -> None:
        """It was taken in vain, and may be again at that time, or when it changes; never, by itself, at infinity."""
        self._waiting[name].due = due

    def drop(self, name: str) -> None:
        """It waits no longer."""
        del self._waiting[name]

    def due(self) -> dict[str, float]:
        """All that are to be taken, and when they may be."""
        return {name: arrival.due for name, arrival in self._waiting.items() if arrival.due < math.inf}
