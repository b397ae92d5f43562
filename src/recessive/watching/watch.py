"""Watch a folder: protect what arrives there, and pass on what searches do not find."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from recessive.errors import SettingsError
from recessive.reports.protect_report import ReleaseRule
from recessive.watching.arrivals import Arrivals, Listing, list_photos
from recessive.watching.folders import ready
from recessive.watching.outbox import FolderError, Outbox
from recessive.watching.photo import DelayedError, FileChangedError, PhotoProcessor, UnusablePhotoError, WatchedPhoto
from recessive.workflows.protect import Protector

POLL = 1.0  # seconds between two looks, or four times what a look takes: a fifth of a processor at most
BROKEN_AFTER = 10  # times `settle`: what is no intact photo by then, and has not changed, is none
GIVEN_UP_AFTER = 30  # times `settle`: for so long a single run waits for files that go on changing
FIRST_RETRY, LAST_RETRY = 5.0, 600.0  # seconds, doubling, after what may pass: a full disk, a drive that hangs
_UNFINISHED = {".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".swp"}


class Clock:
    """Time as a watch goes by it."""

    def now(self) -> float:
        """Seconds, since whenever."""
        return time.monotonic()

    def wait(self, seconds: float, stop: Callable[[], bool]) -> None:
        """Do nothing for so long, or until asked to stop."""
        # In slices, rather than on a threading.Event: a signal handler that sets one may wait for itself.
        until = self.now() + seconds
        while not stop() and (left := until - self.now()) > 0:
            time.sleep(min(left, 0.2))


def _never() -> bool:
    return False


def watch_photos(
    folder: Path,
    out: Path,
    protector: Protector,
    *,
    held: Path | None = None,
    passes: ReleaseRule = "seen",
    settle: float = 2.0,
    once: bool = False,
    stop: Callable[[], bool] = _never,
    clock: Clock | None = None,
    on_message: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, Path | None, float], None] = lambda *_: None,
) -> Iterator[WatchedPhoto]:
    """Protect the photos that arrive in a folder, one after another, and pass on those that pass the audit.

    A photo is told from others by its path below the folder and its content. Each is dealt with once, whatever becomes
    of the result: a photo that is moved out of `out` is not made again. New content under an old name, or a name that
    is taken, gets a free one: a-2.jpg. What failed or was held is tried again when the settings change.

    Args:
        folder: where photos arrive; it is only read.
        out: folder for those that pass; nothing else ever lies there. Made when missing.
        protector: settings, loaded.
        held: folder for those that do not, and for what the watch remembers; OUT-held beside `out` when None.
        passes: who must not find a photo for it to pass.
        settle: seconds that size and time of a file have to stay the same before it is taken.
        once: end when all that lay there at first is dealt with; files that go on changing are left after a while.
        stop: asked between photos and between steps; what is under way is then dropped, and done the next time.
        clock: the system's when None.
        on_message: told what is not about one photo, such as a folder that is gone; once each.
        progress: told how many photos wait, which one is under way, and how far it is, in [0, 1].

    Yields:
        What became of each photo, when it is where it belongs.

    Raises:
        SettingsError: the folders do not lie apart or cannot be used, another watch uses them, or `settle` is negative.
    """
    if not 0 <= settle < math.inf:
        raise SettingsError("--settle: seconds, 0 or more")
    out, held = ready(folder, out, held)
    with closing(Outbox(out, held)) as outbox:
        photos = PhotoProcessor(folder, outbox, protector, passes)
        watch = _Watch(folder, photos, settle, clock or Clock(), stop, on_message, progress, once=once)
        while not (stop() or watch.over):
            yield from watch.step()


class _StopRequestedError(Exception):
    """In the middle of a photo."""


class _Watch:
    """The state of a watch between its steps."""

    def __init__(
        self,
        folder: Path,
        photos: PhotoProcessor,
        settle: float,
        clock: Clock,
        stop: Callable[[], bool],
        on_message: Callable[[str], None],
        progress: Callable[[int, Path | None, float], None],
        *,
        once: bool,
    ) -> None:
        self._folder, self._photos, self._clock, self._once = folder, photos, clock, once
        self._stop, self._on_message, self._progress = stop, on_message, progress
        self._arrivals = Arrivals(settle)
        self._first: set[str] | None = None  # all that a single run deals with
        self._under_way = folder
        self._next_look = self._active = clock.now()
        self._retry = FIRST_RETRY
        self._stuck, self._gone = "", False
        self._passed_over: dict[str, str] = {}
        self._others: set[str] = set(_UNFINISHED)
        self.over = False

    def step(self) -> Iterator[WatchedPhoto]:
        """Deal with the next photo; wait where there is none."""
        try:
            for moved in self._photos.moved():
                if self._stuck:
                    self._on_message("that is better; going on")
                self._stuck, self._retry = "", FIRST_RETRY
                yield moved
            self._look()
            name = self._arrivals.ripe(self._clock.now())
            if name is None:
                self._rest()
                return
            found = self._take(name)
            if found is not None:
                yield found
        except _StopRequestedError:
            return
        except FolderError as stuck:
            if self._once:
                self.over = True
                yield WatchedPhoto(str(self._under_way), "failed", None, str(stuck), None)
                return
            if self._stuck != str(stuck):
                self._on_message(f"{stuck}; waiting until that is better")
            self._stuck = str(stuck)
            self._clock.wait(self._retry, self._stop)
            self._retry = min(2 * self._retry, LAST_RETRY)

    def _look(self) -> None:
        """See what has arrived, if it is time to."""
        began = self._clock.now()
        if began < self._next_look:
            return
        try:
            listing = list_photos(self._folder)
        except OSError as error:
            if self._once:
                self._under_way = self._folder
                raise FolderError(error.strerror or str(error)) from error
            if not self._gone:
                self._on_message(f"{self._folder}: {error.strerror or error}; waiting until it is there")
            self._gone, self._next_look = True, began + POLL
            return
        if self._gone:
            self._on_message(f"{self._folder} is there again")
        self._gone = False
        self._tell(listing)
        new = {name: stamp for name, stamp in listing.photos.items() if not self._photos.known(name, stamp)}
        if self._once:
            self._first = set(new) if self._first is None else self._first
            new = {name: stamp for name, stamp in new.items() if name in self._first}
        now = self._clock.now()
        self._arrivals.look(new, now)
        self._next_look = now + max(POLL, 4 * (now - began))

    def _tell(self, listing: Listing) -> None:
        """What is not looked at, once."""
        for name, why in listing.passed_over.items():
            if self._passed_over.get(name) != why:
                self._on_message(f"{self._folder / name}: {why}")
        self._passed_over = listing.passed_over
        if new := sorted(listing.others - self._others):
            named = " or ".join(suffix or "without a suffix" for suffix in new)
            self._on_message(f"{self._folder}: files named {named} are left alone; photos are told by their suffix")
        self._others |= listing.others

    def _rest(self) -> None:
        """Wait until the next photo is due, or the next look; a single run is over when none is."""
        due, now = self._arrivals.due(), self._clock.now()
        given_up = now - self._active > GIVEN_UP_AFTER * self._arrivals.settle
        if self._once and (given_up or not due):
            for name in due:
                self._on_message(f"{self._folder / name}: is still being written; left for the next run")
            self.over = True
            return
        self._progress(len(due), None, 0.0)
        self._clock.wait(max(min([self._next_look, *due.values()]) - now, 0.01), self._stop)

    def _take(self, name: str) -> WatchedPhoto | None:
        """Work on a photo; None when it is decided and to be moved, or may be taken again later."""
        arrivals, arrival = self._arrivals, self._arrivals[name]
        waiting = len(arrivals.due()) - 1
        self._under_way = path = self._folder / name

        def progress(share: float) -> None:
            if self._stop():
                raise _StopRequestedError
            self._progress(waiting, path, share)

        found = None
        progress(0.0)
        try:
            found = self._photos.take(name, arrival.stamp, progress)
        except FileChangedError:
            self._next_look = self._clock.now()
        except DelayedError as hindered:
            wait = min(FIRST_RETRY * 2 ** min(arrival.hindered, 20), LAST_RETRY)
            arrivals.later(name, math.inf if self._once else self._clock.now() + wait)
            arrival.hindered += 1
            return self._photos.failed(name, hindered) if arrival.hindered == 1 else None
        except UnusablePhotoError as broken:
            age, patience = self._clock.now() - arrival.since, BROKEN_AFTER * arrivals.settle
            if age < patience:  # perhaps whoever writes it pauses
                arrivals.later(name, arrival.since + min(2 * age, patience))
                return None
            found = self._photos.give_up(name, arrival.stamp, broken)
            self._active = self._clock.now()
        else:
            self._active = self._clock.now()
        arrivals.drop(name)
        return found
