"""Watch a folder: protect the photos that arrive there, and publish those that searches do not find."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from recessive.backoff import Backoff, backoff
from recessive.errors import SettingsError
from recessive.reports.protect_report import ReleaseRule
from recessive.watching.arrivals import Arrivals, Listing, list_photos
from recessive.watching.outbox import FolderError, Outbox, prepare_folders
from recessive.watching.photo import DelayedError, FileChangedError, PhotoProcessor, UnusablePhotoError, WatchedPhoto
from recessive.workflows import Protector

POLL = 1.0  # seconds between two scans, or four times what a scan takes: a fifth of a processor at most
BROKEN_AFTER = 10  # times `settle`: a file that is not an intact photo by then, and has not changed, is given up
GIVEN_UP_AFTER = 30  # times `settle`: for so long a single run waits for files that keep changing
FIRST_RETRY, LAST_RETRY = 5.0, 600.0  # seconds, doubling, after temporary errors: a full disk, a drive that hangs
_UNFINISHED = {".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".swp"}


class Clock:
    """The time by which a watch runs."""

    def now(self) -> float:
        """Seconds since an arbitrary moment."""
        return time.monotonic()

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Sleep for some seconds, or until asked to stop."""
        # In slices, rather than on a threading.Event: a signal handler that sets one may wait for itself.
        until = self.now() + seconds
        while not stop() and (left := until - self.now()) > 0:
            time.sleep(min(left, 0.2))


def watch_photos(
    folder: Path,
    out: Path,
    protector: Protector,
    *,
    held: Path | None = None,
    passes: ReleaseRule = "seen",
    settle: float = 2.0,
    once: bool = False,
    stop: Callable[[], bool] = lambda: False,
    clock: Clock | None = None,
    on_message: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, Path | None, float], None] = lambda *_: None,
) -> Iterator[WatchedPhoto]:
    """Protect the photos that arrive in a folder, one after another, and publish those that pass the audit.

    A photo is identified by its path below the folder and its content. Each is dealt with once, whatever happens to the
    result: a photo that is moved out of `out` is not made again. New content under an old name, or a name that is
    taken, gets a free one: a-2.jpg. Photos that failed or were held are tried again when the settings change.

    Args:
        folder: the folder where photos arrive; it is only read.
        out: the folder for photos that pass; nothing else ever lies there. Created if missing.
        protector: the loaded settings.
        held: the folder for photos that do not pass, and for the journal; OUT-held beside `out` when None.
        passes: which encoders must not find a photo for it to pass.
        settle: the number of seconds for which size and time of a file must not change before it is taken.
        once: end when all photos that were there at first are dealt with; files that keep changing are left after a
            while.
        stop: asked between photos and between steps; a photo in progress is then dropped, and done the next time.
        clock: the clock to run by; that of the system when None.
        on_message: called once with each message that concerns no single photo, such as a missing folder.
        progress: called with (photos waiting, path of the photo in progress, its share done in [0, 1]).

    Yields:
        What became of each photo, once it is where it belongs.

    Raises:
        SettingsError: if the folders do not lie apart or cannot be used, another watch uses them, or `settle` is
            negative.
    """
    if not 0 <= settle < math.inf:
        raise SettingsError("--settle must be a number of seconds, 0 or more")
    out, held = prepare_folders(folder, out, held)
    with closing(Outbox(out, held)) as outbox:
        processor = PhotoProcessor(folder, outbox, protector, passes)
        watch = _Watch(folder, processor, Arrivals(settle), clock or Clock(), stop, on_message, progress, once)
        while not (stop() or watch.over):
            yield from watch.step()


class _StopRequestedError(Exception):
    """The watch was asked to stop while a photo was in progress."""


@dataclass
class _Watch:
    """The state of a watch between its steps."""

    folder: Path
    processor: PhotoProcessor
    arrivals: Arrivals
    clock: Clock
    stop: Callable[[], bool]
    on_message: Callable[[str], None]
    progress: Callable[[int, Path | None, float], None]
    once: bool
    over: bool = False
    first: set[str] | None = None  # all photos that a single run deals with
    retry: Backoff = field(default_factory=lambda: Backoff(FIRST_RETRY, LAST_RETRY))
    stuck: str = ""  # the error that the watch waits for
    gone: bool = False
    skipped: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=_UNFINISHED.copy)

    def __post_init__(self) -> None:
        self.current = self.folder  # the path in progress
        self.next_scan = self.active = self.clock.now()

    def step(self) -> Iterator[WatchedPhoto]:
        """Deal with the next photo, or wait if there is none."""
        try:
            for moved in self.processor.moved():
                if self.stuck:
                    self.on_message("the problem is gone; continuing")
                self.stuck = ""
                self.retry.reset()
                yield moved
            self._scan()
            name = self.arrivals.ready(self.clock.now())
            if name is None:
                self._rest()
                return
            found = self._process(name)
            if found is not None:
                yield found
        except _StopRequestedError:
            return
        except FolderError as error:
            if self.once:
                self.over = True
                yield WatchedPhoto(str(self.current), "failed", None, str(error), None)
                return
            if self.stuck != str(error):
                self.on_message(f"{error}; waiting until the problem is gone")
            self.stuck = str(error)
            self.clock.wait(self.retry.wait(), self.stop)

    def _scan(self) -> None:
        """See what has arrived, if a scan is due."""
        began = self.clock.now()
        if began < self.next_scan:
            return
        try:
            listing = list_photos(self.folder)
        except OSError as error:
            if self.once:
                self.current = self.folder
                raise FolderError(error.strerror or str(error)) from error
            if not self.gone:
                self.on_message(f"{self.folder}: {error.strerror or error}; waiting until it is there")
            self.gone, self.next_scan = True, began + POLL
            return
        if self.gone:
            self.on_message(f"{self.folder} is there again")
        self.gone = False
        self._report_skipped(listing)
        new = {name: stamp for name, stamp in listing.photos.items() if not self.processor.known(name, stamp)}
        if self.once:
            self.first = set(new) if self.first is None else self.first
            new = {name: stamp for name, stamp in new.items() if name in self.first}
        now = self.clock.now()
        self.arrivals.update(new, now)
        self.next_scan = now + max(POLL, 4 * (now - began))

    def _report_skipped(self, listing: Listing) -> None:
        """Report once what is not examined."""
        for name, why in listing.skipped.items():
            if self.skipped.get(name) != why:
                self.on_message(f"{self.folder / name}: {why}")
        self.skipped = listing.skipped
        if new := sorted(listing.others - self.others):
            named = " or ".join(suffix or "without a suffix" for suffix in new)
            self.on_message(f"{self.folder}: files named {named} are ignored; photos are recognized by their suffix")
        self.others |= listing.others

    def _rest(self) -> None:
        """Wait until the next photo is due, or the next scan; a single run is over when no photo is due."""
        due, now = self.arrivals.due(), self.clock.now()
        given_up = now - self.active > GIVEN_UP_AFTER * self.arrivals.settle
        if self.once and (given_up or not due):
            for name in due:
                self.on_message(f"{self.folder / name}: is still being written; left for the next run")
            self.over = True
            return
        self.progress(len(due), None, 0.0)
        self.clock.wait(max(min([self.next_scan, *due.values()]) - now, 0.01), self.stop)

    def _process(self, name: str) -> WatchedPhoto | None:
        """Process a photo; None when it waits to be moved, or may be taken again later."""
        arrivals, arrival = self.arrivals, self.arrivals[name]
        waiting = len(arrivals.due()) - 1
        self.current = path = self.folder / name

        def progress(share: float) -> None:
            if self.stop():
                raise _StopRequestedError
            self.progress(waiting, path, share)

        found = None
        progress(0.0)
        try:
            found = self.processor.process(name, arrival.stamp, progress)
        except FileChangedError:
            self.next_scan = self.clock.now()
        except DelayedError as error:
            wait = backoff(arrival.delays, FIRST_RETRY, LAST_RETRY)
            arrivals.postpone(name, math.inf if self.once else self.clock.now() + wait)
            arrival.delays += 1
            return WatchedPhoto(str(path), "failed", None, error.problem, None) if arrival.delays == 1 else None
        except UnusablePhotoError as error:
            age, patience = self.clock.now() - arrival.since, BROKEN_AFTER * arrivals.settle
            if age < patience:  # perhaps its writer pauses
                arrivals.postpone(name, arrival.since + min(2 * age, patience))
                return None
            found = self.processor.give_up(name, arrival.stamp, error)
            self.active = self.clock.now()
        else:
            self.active = self.clock.now()
        arrivals.remove(name)
        return found
