"""The outbox of a watched folder: a protected photo waits behind it, and goes on only when it is known where to.

Photos that pass go to one folder, where nothing else ever lies: whatever appears there may be passed on. Those that do
not are held in another, which also keeps, in `.recessive`, photos that are not judged yet and what was done.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from recessive.errors import SettingsError
from recessive.files import digest, write_whole
from recessive.reports.protect_report import ProtectReport, report_from_json
from recessive.watching.journal import Entry, Journal, State, alone
from recessive.workflows.records import FOLDER, finished, remember

_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.tmp")  # what `write_whole` leaves when it is killed
_OF_THE_NAME = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}  # no such names on that drive


class FolderError(Exception):
    """A folder cannot be written: nothing goes on until it can. The message is one line."""


@dataclass(frozen=True)
class Decision:
    """What became of a photo.

    Attributes:
        entry: as it is remembered.
        output: where it is now; None for a failure.
        report: of its protection; None for a failure.
    """

    entry: Entry
    output: Path | None
    report: ProtectReport | None


class Outbox:
    """One that is open; only one process at a time has it.

    Args:
        out: for photos that pass; exists.
        held: for those that do not; exists.

    Attributes:
        held: as given.
        journal: what became of the photos so far.
        decided: photos that are still to be moved to where the journal says.

    Raises:
        SettingsError: another process has it, or it cannot be written.
    """

    def __init__(self, out: Path, held: Path) -> None:
        self.held = held
        self._roots: dict[State, Path] = {"protected": out, "held": held}
        self._own = held / FOLDER
        self._unjudged = self._own / "unjudged"
        self._stack = contextlib.ExitStack()
        try:
            self._own.mkdir(exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{self._own} cannot be made: {error.strerror}; choose another --held") from None
        self._stack.enter_context(alone(self._own / "lock"))
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            self.journal = Journal(self._own / "watch.jsonl")
            self.decided = self._left_behind()
            failing.pop_all()

    def close(self) -> None:
        """Let another process have it."""
        self._stack.close()

    def unjudged(self, input_: str, content: str, asked: str, suffix: str) -> Path:
        """Where a photo lies, with its record, until it is judged.

        Raises:
            FolderError: there is no such place.
        """
        with _stuck(self.held):
            _make(self._unjudged, self.held)
        return self._behind(input_, content, asked, suffix)

    def _behind(self, input_: str, content: str, asked: str, suffix: str) -> Path:
        name = digest(os.fsencode(input_), content.encode(), asked.encode())[:32]
        return self._unjudged / f"{name}{suffix}"

    def path_of(self, entry: Entry) -> Path | None:
        """Where a photo was put; None for a failure."""
        return None if entry.output is None else self._roots[entry.state] / entry.output

    def made(self, output: str, asked: str) -> ProtectReport | None:
        """What `recessive protect` has put there before, for the same photo with the same settings."""
        return _report(self._roots["protected"] / output, asked)

    def discard(self, photo: Path) -> None:
        """Remove a photo that lies behind the outbox, or is held, and its record."""
        for path in (photo, photo.parent / FOLDER / f"{photo.name}.json"):
            with contextlib.suppress(OSError):
                path.unlink()

    def withdraw(self, entry: Entry) -> None:
        """Remove a photo that was held, since there is a better one, unless it is gone or the owner has changed it."""
        path = self.path_of(entry)
        if path is not None and finished(path) is not None:
            self.discard(path)

    def free(self, state: State, output: str, entry: tuple[str, str]) -> str:
        """A path like `output` that no other content (input, digest) has or ever had: a-2.jpg after a.jpg."""
        path, number = PurePosixPath(output), 1
        while self.journal.taken(state, str(path), entry) or os.path.lexists(self._roots[state] / path):
            number += 1
            path = PurePosixPath(output).with_stem(f"{PurePosixPath(output).stem}-{number}")
        return str(path)

    def decide(self, entry: Entry) -> None:
        """Remember where a photo is to go; `move` takes it there, now or after a restart.

        Raises:
            FolderError: it cannot be remembered.
        """
        self.note(entry)
        self.decided.append(entry)

    def note(self, entry: Entry) -> None:
        """Remember what became of a photo.

        Raises:
            FolderError: it cannot be remembered.
        """
        with _stuck(self.held):
            self.journal.add(entry)

    def move(self) -> Decision | None:
        """Take the first photo that is decided to where it belongs; None when it was lost, and is to be done again.

        Killed between giving it its name there and removing it here, the next process finds it there, or moves it once
        more if somebody has fetched it by then: one that is passed on twice is better than one that is lost.

        Raises:
            FolderError: it cannot be moved; it is the first still.
        """
        entry = self.decided[0]
        unjudged = self._unjudged_of(entry)
        report = _report(unjudged)
        if report is None:
            self.note(replace(entry, state="failed", output=None, reason="was lost before it could go on", asked=""))
            decision = None
        else:
            with _stuck(self.held):
                data = unjudged.read_bytes()
            decision = self._publish(entry, data, report)
        self.discard(unjudged)
        del self.decided[0]
        return decision

    def _publish(self, entry: Entry, data: bytes, report: ProtectReport) -> Decision:
        """Write the photo under its name, or another if that was taken meanwhile."""
        root, output = self._roots[entry.state], str(entry.output)
        path = root / output
        try:
            _make(path.parent, root)
            there = path.is_file() and path.read_bytes() == data  # a crash came right after this
            published = there or _written(path, data)
        except OSError as error:
            if error.errno not in _OF_THE_NAME:
                raise FolderError(f"{error.filename or root}: {error.strerror or error}") from error
            failed = replace(entry, state="failed", output=None, reason=f"cannot be saved as {path}: {error.strerror}")
            self.note(failed)
            return Decision(failed, None, None)
        if not published:
            self.decided[0] = replace(entry, output=self.free(entry.state, output, (entry.input, entry.digest)))
            self.note(self.decided[0])
            return self._publish(self.decided[0], data, report)
        report = replace(report, output=str(path))
        if entry.state == "held":
            with contextlib.suppress(OSError):  # why it is held: good to have, and said anyway
                remember(path, entry.asked, asdict(report))
        return Decision(entry, path, report)

    def _unjudged_of(self, entry: Entry) -> Path:
        return self._behind(entry.input, entry.digest, entry.asked, PurePosixPath(str(entry.output)).suffix)

    def _left_behind(self) -> list[Entry]:
        """What a process that was killed had decided and not moved; what else it left is removed."""
        left = set(_files(self._unjudged))
        decided = [entry for entry in self.journal if entry.output and left and self._unjudged_of(entry) in left]
        for path in left - {self._unjudged_of(entry) for entry in decided}:
            self.discard(path)
        where = {(self._roots[entry.state] / str(entry.output)).parent for entry in decided}
        for place in (*where, *(place / FOLDER for place in where), self._own, self._unjudged / FOLDER):
            for path in _files(place):
                if _UNFINISHED.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        return decided


def _report(photo: Path, asked: str | None = None) -> ProtectReport | None:
    """That of a protected photo; None when photo or report are not there, damaged, or of another version."""
    with contextlib.suppress(KeyError, TypeError, ValueError):
        record = finished(photo, asked)
        return None if record is None else report_from_json(record)
    return None


def _written(path: Path, data: bytes) -> bool:
    """Whether the name was free, and has the data now."""
    try:
        write_whole(path, data, overwrite=False)
    except FileExistsError:
        return False
    return True


def _files(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in folder.iterdir() if not path.is_dir())


def _make(folder: Path, root: Path) -> None:
    """Make a folder below one that is there; where that is gone, perhaps with its drive, it is not made anew."""
    if not root.is_dir():
        raise FileNotFoundError(errno.ENOENT, "is not there", str(root))
    folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _stuck(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderError(f"{folder}: {error.strerror or error}") from error
