"""The outbox of a watched folder: protected photos wait in it, and are then published or held.

Photos that may be released go to one folder, where nothing else ever lies: whatever appears there may be passed on. The
others are held in a second folder. Its subfolder `.recessive` contains the journal, and photos without a verdict.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import permutations
from pathlib import Path, PurePosixPath

from recessive.errors import MachineError, SettingsError
from recessive.files import digest, lock_file, write_whole
from recessive.reports.protect_report import ProtectReport, report_from_json
from recessive.watching.journal import Entry, Journal, State
from recessive.workflows.protect import RECORDS, finished, remember

_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.tmp")  # left by `write_whole` when the process is killed
_BAD_NAME = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}  # the drive cannot store such names


class FolderError(MachineError):
    """A folder is not available; nothing proceeds until it is."""


def prepare_folders(folder: Path, out: Path, held: Path | None) -> tuple[Path, Path]:
    """Create the folders for released and for held photos; the second is OUT-held, beside `out`, when None.

    Raises:
        SettingsError: if one of the three folders lies in another, is not a folder, or cannot be created.
    """
    if held is None:
        named = out if out.name not in ("", "..") else out.resolve()
        held = named.parent / f"{named.name}-held"
    if not folder.is_dir():
        raise SettingsError(f"{folder}: is not a folder; name the folder where photos arrive")
    for inner, outer in permutations((folder, out, held), 2):
        if any(_same(outer.resolve(), place) for place in (inner.resolve(), *inner.resolve().parents)):
            raise SettingsError(f"{inner} lies in {outer}; the folders IN, OUT and --held must lie apart")
    for place in (out, held):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{place} cannot be created: {error.strerror}; choose another folder") from None
    return out, held


def _same(one: Path, other: Path) -> bool:
    return one == other or (one.exists() and other.exists() and one.samefile(other))


class Outbox:
    """An open outbox; only one process at a time can open it.

    Args:
        out: the folder for released photos; must exist.
        held: the folder for held photos; must exist.

    Attributes:
        held: the folder for held photos.
        journal: what became of the photos so far.
        decided: the photos that still have to be moved to where the journal says.

    Raises:
        SettingsError: if another process has opened it, or it cannot be written.
    """

    def __init__(self, out: Path, held: Path) -> None:
        self.held = held
        self._roots: dict[State, Path] = {"protected": out, "held": held}
        self._own = place = held / RECORDS
        self._pending = self._own / "unjudged"
        try:
            place.mkdir(exist_ok=True)
            place = self._own / "lock"
            self._lock = place.open("ab")
        except OSError as error:
            raise SettingsError(f"{place} cannot be created: {error.strerror}; choose another --held") from None
        try:
            if not lock_file(self._lock.fileno(), wait=False):
                raise SettingsError(f"{held}: another watch uses it; stop that, or use another --held")  # noqa: TRY301
            self.journal = Journal(self._own / "watch.jsonl")
            self.decided = self._clean_up()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the outbox to other processes."""
        self._lock.close()

    def pending(self, entry: Entry) -> Path:
        """Where a photo waits for its verdict, with its record.

        Args:
            entry: the photo, with the name that it is to have.

        Raises:
            FolderError: if there is no such place.
        """
        with _folder_errors(self.held):
            _make(self._pending, self.held)
        return self._pending_path(entry)

    def path_of(self, entry: Entry) -> Path | None:
        """Where a photo was published or held; None for a failure."""
        return None if entry.output is None else self._roots[entry.state] / entry.output

    def published(self, output: str, request: str) -> ProtectReport | None:
        """The report of the photo that `recessive protect` has saved under this name for the same request."""
        return _report(self._roots["protected"] / output, request)

    def discard(self, photo: Path) -> None:
        """Remove a photo that is pending or held, and its record."""
        for path in (photo, photo.parent / RECORDS / f"{photo.name}.json"):
            with contextlib.suppress(OSError):
                path.unlink()

    def withdraw(self, entry: Entry) -> None:
        """Remove a held photo that is superseded, unless it is gone or the owner has changed it."""
        path = self.path_of(entry)
        if path is not None and finished(path) is not None:
            self.discard(path)

    def decide(self, entry: Entry) -> None:
        """Record where a photo is to go, under a free name; `move` takes it there, now or after a restart.

        Raises:
            FolderError: if the journal cannot be written.
        """
        entry = self._with_free_name(entry)
        self.record(entry)
        self.decided.append(entry)

    def record(self, entry: Entry) -> None:
        """Write an entry to the journal.

        Raises:
            FolderError: if that fails.
        """
        with _folder_errors(self.held):
            self.journal.add(entry)

    def move(self) -> tuple[Entry, ProtectReport | None] | None:
        """Move the first decided photo to where it belongs; None when it was lost, and has to be protected again.

        The report of the protection is None when the photo cannot be saved under any name.

        If the process is killed after the photo got its name there, but before it is removed here, the next process
        finds it there, or moves it once more if somebody has fetched it by then: publishing a photo twice is better
        than losing it.

        Raises:
            FolderError: if the photo cannot be moved; it is still the first.
        """
        entry = self.decided[0]
        pending = self._pending_path(entry)
        report = _report(pending)
        if report is None:
            lost = replace(entry, state="failed", output=None, reason="was lost before it was published", asked="")
            self.record(lost)
            moved = None
        else:
            with _folder_errors(self.held):
                data = pending.read_bytes()
            moved = self._publish(entry, data, report)
        self.discard(pending)
        del self.decided[0]
        return moved

    def _publish(self, entry: Entry, data: bytes, report: ProtectReport) -> tuple[Entry, ProtectReport | None]:
        """Write the photo under its name, or under another if that has been taken meanwhile."""
        root = self._roots[entry.state]
        path = root / str(entry.output)
        try:
            _make(path.parent, root)
            there = path.is_file() and path.read_bytes() == data  # a crash came right after it was written
            written = there or _written(path, data)
        except OSError as error:
            if error.errno not in _BAD_NAME:
                raise FolderError(error.strerror or str(error), Path(error.filename or root)) from error
            failed = replace(entry, state="failed", output=None, reason=f"cannot be saved as {path}: {error.strerror}")
            self.record(failed)
            return failed, None
        if not written:
            self.decided[0] = self._with_free_name(entry)
            self.record(self.decided[0])
            return self._publish(self.decided[0], data, report)
        report = replace(report, output=str(path))
        if entry.state == "held":
            with contextlib.suppress(OSError):  # the reason is good to have there, and reported anyway
                remember(path, entry.asked, asdict(report))
        return entry, report

    def _with_free_name(self, entry: Entry) -> Entry:
        """The entry with a name that no other photo has or ever had: a-2.jpg after a.jpg."""
        wanted, number, key = PurePosixPath(str(entry.output)), 1, (entry.input, entry.digest)
        path = wanted
        while self.journal.taken(entry.state, str(path), key) or os.path.lexists(self._roots[entry.state] / path):
            number += 1
            path = wanted.with_stem(f"{wanted.stem}-{number}")
        return replace(entry, output=str(path))

    def _pending_path(self, entry: Entry) -> Path:
        name = digest(os.fsencode(entry.input), entry.digest.encode(), entry.asked.encode())[:32]
        return self._pending / f"{name}{PurePosixPath(str(entry.output)).suffix}"

    def _clean_up(self) -> list[Entry]:
        """The photos that a killed process had decided and not moved; whatever else it left is removed."""
        left = set(_files(self._pending))
        decided = [entry for entry in self.journal if entry.output and left and self._pending_path(entry) in left]
        for path in left - {self._pending_path(entry) for entry in decided}:
            self.discard(path)
        where = {(self._roots[entry.state] / str(entry.output)).parent for entry in decided}
        for place in (*where, *(place / RECORDS for place in where), self._own, self._pending / RECORDS):
            for path in _files(place):
                if _UNFINISHED.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        return decided


def _report(photo: Path, request: str | None = None) -> ProtectReport | None:
    """The report of a protected photo; None if photo or report are missing, damaged, or of another version."""
    with contextlib.suppress(KeyError, TypeError, ValueError):
        record = finished(photo, request)
        return None if record is None else report_from_json(record)
    return None


def _written(path: Path, data: bytes) -> bool:
    """Write a file unless its name is taken; whether that was done."""
    try:
        write_whole(path, data, overwrite=False)
    except FileExistsError:
        return False
    return True


def _files(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in folder.iterdir() if not path.is_dir())


def _make(folder: Path, root: Path) -> None:
    """Create a folder below an existing root; a root that is gone, perhaps with its drive, is not created anew."""
    if not root.is_dir():
        raise FileNotFoundError(errno.ENOENT, "is not there", str(root))
    folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    """Turn operating system errors into a `FolderError`."""
    try:
        yield
    except OSError as error:
        raise FolderError(error.strerror or str(error), folder) from error
