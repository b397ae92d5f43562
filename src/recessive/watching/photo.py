"""One photo of a watched folder: whether it is known, what becomes of it, and why it may have to wait."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from recessive.errors import ONE_PHOTO, Kind, MachineError, RecessiveError, photo_error
from recessive.files import digest, file_digest
from recessive.photos import SUFFIXES, PhotoError, format_named
from recessive.reports.protect_report import ProtectReport, ReleaseRule, may_be_released
from recessive.watching.arrivals import Stamp, stamp_of
from recessive.watching.journal import Entry
from recessive.watching.outbox import FolderError, Outbox
from recessive.workflows import Protector, protect_file


@dataclass(frozen=True)
class WatchedPhoto:
    """What became of one photo.

    Attributes:
        input: the path of the photo.
        state: "protected" when it was published; "held"; "failed"; or "skipped" when the file is new, but the same
            content was dealt with before under the same name.
        output: where the protected photo is, or was put then; None for a failure.
        reason: why the photo was held or skipped, or failed; None when it was published.
        report: the report of its protection; None when it failed or was skipped.
    """

    input: str
    state: Literal["protected", "held", "failed", "skipped"]
    output: str | None
    reason: str | None
    report: ProtectReport | None


class FileChangedError(Exception):
    """The file has changed or disappeared while it was processed."""


class UnusablePhotoError(RecessiveError):
    """The file is not a photo that can be protected, unless it changes.

    Attributes:
        digest: the digest of its content.
    """

    kind: ClassVar[Kind] = "photo"

    def __init__(self, problem: str, digest: str) -> None:
        super().__init__(problem)
        self.digest = digest


class DelayedError(MachineError):
    """The machine, not the photo, is at fault, such as its memory or a drive: trying again later may succeed."""


class PhotoProcessor:
    """Protects the photos of a folder and decides what becomes of them.

    Args:
        folder: the folder where photos arrive.
        outbox: the outbox through which they leave.
        protector: the loaded settings.
        rule: which encoders must not find a photo for it to be released.
    """

    def __init__(self, folder: Path, outbox: Outbox, protector: Protector, rule: ReleaseRule) -> None:
        self._folder = folder
        self._outbox = outbox
        self._protector = protector
        self._rule = rule
        heif = b"heif" if find_spec("pillow_heif") else b""  # photos that failed without it are tried again
        self._request = digest(protector.request_digest(b"").encode(), rule.encode(), heif)[:16]

    def known(self, name: str, stamp: Stamp) -> bool:
        """Whether nothing needs to be done about a file, as far as its stamp shows."""
        last = self._outbox.journal.last(name)
        return last is not None and last.stamp == stamp and not self._is_retried(last)

    def _is_retried(self, entry: Entry) -> bool:
        """Whether the settings have changed since a photo was held or failed; published photos are final."""
        return entry.state != "protected" and entry.asked != self._request

    def moved(self) -> Iterator[WatchedPhoto]:
        """Move all decided photos to where they belong.

        Raises:
            FolderError: if a folder is not available.
        """
        while self._outbox.decided:
            moved = self._outbox.move()
            if moved is not None:
                yield self._result(*moved)

    def process(self, name: str, stamp: Stamp, progress: Callable[[float], None]) -> WatchedPhoto | None:
        """Protect a photo and decide where it goes; None when it now waits in the outbox to be moved there.

        Args:
            name: the path of the photo, relative to the folder.
            stamp: the stamp that it was seen with.
            progress: as for `protect_file`.

        Raises:
            FileChangedError: if the file changes or disappears meanwhile.
            UnusablePhotoError: if the photo is damaged or cannot be protected.
            DelayedError: if it has to be tried again later.
            FolderError: if a folder is not available.
        """
        path = self._folder / name
        if stamp_of(path) != stamp:
            raise FileChangedError
        content = file_digest(path)
        before = self._outbox.journal.find(name, content.hex())
        if before is not None and not self._is_retried(before):
            self._outbox.record(replace(before, size=stamp.size, modified=stamp.modified))
            return self._skipped(before)
        format_ = self._protector.settings.format
        suffix = path.suffix if format_ is None else SUFFIXES[format_named(format_)][0]
        wanted = str(PurePosixPath(name).with_suffix(suffix))
        entry = Entry(name, *stamp, content.hex(), "protected", wanted, None, self._request)
        earlier = self._outbox.published(wanted, self._protector.request_digest(content))
        if earlier is not None and may_be_released(earlier.per_encoder, self._rule):
            self._outbox.record(entry)
            return self._skipped(entry)
        pending = self._outbox.pending(entry)
        try:
            report = protect_file(path, pending, self._protector, overwrite=True, progress=progress)
        except ONE_PHOTO as error:
            if stamp_of(path) != stamp:
                raise FileChangedError from None
            raise self._classified(photo_error(path, error), error, pending, content.hex()) from error
        if stamp_of(path) != stamp:  # an owner who removes a photo does not want it to be published
            self._outbox.discard(pending)
            raise FileChangedError
        if before is not None and before.state == "held":
            self._outbox.withdraw(before)
        if not may_be_released(report.per_encoder, self._rule):
            entry = replace(entry, state="held", reason=report.verdict)
        self._outbox.decide(entry)
        return None

    def give_up(self, name: str, stamp: Stamp, error: UnusablePhotoError) -> WatchedPhoto:
        """Record a failure: the photo is not tried again unless it or the settings change.

        Raises:
            FolderError: if that cannot be recorded.
        """
        entry = Entry(name, *stamp, error.digest, "failed", None, error.problem, self._request)
        self._outbox.record(entry)
        return self._result(entry)

    def _classified(self, problem: PhotoError, error: Exception, pending: Path, content: str) -> RecessiveError:
        """Whose fault an error is: that of a folder, of the machine, or of the photo."""
        causes = [e for e in (error, error.__cause__, error.__context__) if isinstance(e, (OSError, MemoryError))]
        # Decoders raise OSError for damaged photos, too: without a number, or for seeking to an impossible place.
        of_system = [e for e in causes if isinstance(e, MemoryError) or e.errno not in (None, errno.EINVAL)]
        if of_system and problem.path == pending:
            return FolderError(problem.problem, self._outbox.held)
        if of_system or isinstance(error, RuntimeError):
            return DelayedError(problem.problem)
        return UnusablePhotoError(problem.problem, content)

    def _skipped(self, entry: Entry) -> WatchedPhoto:
        output = self._outbox.path_of(entry)
        reason = {
            "protected": f"done before, as {output}",
            "held": f"held before, as {output}: {entry.reason}",
            "failed": f"failed before: {entry.reason}",
        }[entry.state]
        return replace(self._result(entry), state="skipped", reason=reason)

    def _result(self, entry: Entry, report: ProtectReport | None = None) -> WatchedPhoto:
        path, output = str(self._folder / entry.input), self._outbox.path_of(entry)
        report = report and replace(report, input=path)
        return WatchedPhoto(path, entry.state, None if output is None else str(output), entry.reason, report)
