"""One photo of a watched folder: is it known, what becomes of it, and what stood in the way."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Literal

import torch

from recessive.errors import ONE_PHOTO, photo_error
from recessive.files import digest, file_digest
from recessive.photos import SUFFIXES, PhotoError, format_named
from recessive.reports.protect_report import ProtectReport, ReleaseRule, may_be_released
from recessive.watching.arrivals import Stamp, stamp_of
from recessive.watching.journal import Entry, State
from recessive.watching.outbox import Decision, FolderError, Outbox
from recessive.workflows.protect import Protector


@dataclass(frozen=True)
class WatchedPhoto:
    """What became of one photo.

    Attributes:
        input: its path.
        state: "protected", and passed on; "held"; "failed"; or "skipped", when the file is new but its content was
            dealt with before under the same name.
        output: where the protected photo is, or was put then; None for a failure.
        reason: why it was held or skipped, or failed; None for one that passed.
        report: of the protection; None for one that failed or was skipped.
    """

    input: str
    state: Literal["protected", "held", "failed", "skipped"]
    output: str | None
    reason: str | None
    report: ProtectReport | None


class FileChangedError(Exception):
    """The file has changed, or gone, while it was worked on."""


class UnusablePhotoError(Exception):
    """It is no photo that can be protected, and will not be unless it changes.

    Attributes:
        digest: of its content.
    """

    def __init__(self, problem: str, digest: str) -> None:
        super().__init__(problem)
        self.digest = digest


class DelayedError(Exception):
    """Something else than the photo was in the way, and may pass: memory, a drive. The message says what."""


class PhotoProcessor:
    """What is done with each photo of a folder.

    Args:
        folder: where they arrive.
        outbox: that they go through.
        protector: settings, loaded.
        who: must not find a photo for it to pass.
    """

    def __init__(self, folder: Path, outbox: Outbox, protector: Protector, who: ReleaseRule) -> None:
        self._folder = folder
        self._outbox = outbox
        self._protector = protector
        self._who = who
        heif = b"heif" if find_spec("pillow_heif") else b""  # what failed for want of it is tried again
        self._asked = digest(protector.asked(b"").encode(), who.encode(), heif)[:16]

    def known(self, name: str, stamp: Stamp) -> bool:
        """Whether nothing is to be done about a file, as far as its stamp tells."""
        last = self._outbox.journal.last(name)
        return last is not None and last.stamp == stamp and not self._again(last)

    def _again(self, entry: Entry) -> bool:
        """Held and failed photos get another chance with other settings; what was passed on was passed on."""
        return entry.state != "protected" and entry.asked != self._asked

    def moved(self) -> Iterator[WatchedPhoto]:
        """What is decided comes to where it belongs.

        Raises:
            FolderError: a folder cannot be written.
        """
        while self._outbox.decided:
            decision = self._outbox.move()
            if decision is not None:
                yield self._watched(decision)

    def take(self, name: str, stamp: Stamp, progress: Callable[[float], None]) -> WatchedPhoto | None:
        """Protect a photo and decide where it goes; None when it now waits to be moved there.

        Args:
            name: its path below the folder.
            stamp: that it was seen with.
            progress: as for `Protector.protect`.

        Raises:
            FileChangedError, UnusablePhotoError, DelayedError: as they say.
            FolderError: a folder cannot be written.
        """
        path = self._folder / name
        if stamp_of(path) != stamp:
            raise FileChangedError
        what = file_digest(path)
        before = self._outbox.journal.find(name, what.hex())
        if before is not None and not self._again(before):
            self._outbox.note(replace(before, size=stamp.size, modified=stamp.modified))
            return self._skipped(before)
        settings = self._protector.settings
        suffix = path.suffix if settings.format is None else SUFFIXES[format_named(settings.format)][0]
        wanted = str(PurePosixPath(name).with_suffix(suffix))
        made = self._outbox.made(wanted, self._protector.asked(what))
        if made is not None and may_be_released(made.per_encoder, self._who):
            entry = replace(self._entry(name, stamp, what.hex(), "protected"), output=wanted)
            self._outbox.note(entry)
            return self._skipped(entry)
        unjudged = self._outbox.unjudged(name, what.hex(), self._asked, suffix)
        try:
            with torch.inference_mode(mode=False), torch.enable_grad():
                report = self._protector.protect(path, unjudged, overwrite=True, progress=progress)
        except ONE_PHOTO as error:
            if stamp_of(path) != stamp:
                raise FileChangedError from None
            raise self._what_is_wrong(photo_error(path, error), error, unjudged, what.hex()) from error
        if stamp_of(path) != stamp:  # an owner who takes a photo away does not want it passed on
            self._outbox.discard(unjudged)
            raise FileChangedError
        if before is not None and before.state == "held":
            self._outbox.withdraw(before)
        passed = may_be_released(report.per_encoder, self._who)
        entry = self._entry(
            name, stamp, what.hex(), "protected" if passed else "held", None if passed else report.verdict
        )
        self._outbox.decide(replace(entry, output=self._outbox.free(entry.state, wanted, (name, what.hex()))))
        return None

    def give_up(self, name: str, stamp: Stamp, why: UnusablePhotoError) -> WatchedPhoto:
        """A broken photo is not tried again, unless it changes.

        Raises:
            FolderError: that cannot be remembered.
        """
        self._outbox.note(self._entry(name, stamp, why.digest, "failed", str(why)))
        return self.failed(name, why)

    def failed(self, name: str, why: Exception) -> WatchedPhoto:
        """What is said of it."""
        return WatchedPhoto(str(self._folder / name), "failed", None, str(why), None)

    def _what_is_wrong(self, problem: PhotoError, error: Exception, unjudged: Path, what: str) -> Exception:
        said = [e for e in (error, error.__cause__, error.__context__) if isinstance(e, (OSError, MemoryError))]
        # Decoders raise OSError for damaged photos: without a number, or by seeking to where there is nothing.
        of_the_system = [e for e in said if isinstance(e, MemoryError) or e.errno not in (None, errno.EINVAL)]
        if of_the_system and problem.path == unjudged:
            return FolderError(f"{self._outbox.held}: {problem.problem}")
        if of_the_system or isinstance(error, RuntimeError):
            return DelayedError(problem.problem)
        return UnusablePhotoError(problem.problem, what)

    def _entry(self, name: str, stamp: Stamp, what: str, state: State, reason: str | None = None) -> Entry:
        return Entry(name, stamp.size, stamp.modified, what, state, None, reason, self._asked)

    def _watched(self, decision: Decision) -> WatchedPhoto:
        entry, report = decision.entry, decision.report
        path = str(self._folder / entry.input)
        output = None if decision.output is None else str(decision.output)
        return WatchedPhoto(path, entry.state, output, entry.reason, report and replace(report, input=path))

    def _skipped(self, before: Entry) -> WatchedPhoto:
        output = self._outbox.path_of(before)
        said = {
            "protected": f"done before, as {output}",
            "held": f"held before, as {output}: {before.reason}",
            "failed": f"failed before: {before.reason}",
        }
        return WatchedPhoto(
            str(self._folder / before.input),
            "skipped",
            None if output is None else str(output),
            said[before.state],
            None,
        )
