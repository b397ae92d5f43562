"""A worker's sign of life: that it is there, and that the job which it has is still being worked on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from recessive.service.store.database import DatabaseError
from recessive.service.store.job import Claim
from recessive.service.store.jobs import Jobs
from recessive.service.work.background import Background
from recessive.service.work.making import NotMade

TICK = 1.0  # seconds: progress is written no more often
SEEN_EVERY = 10.0
STUCK = 70  # exit status
_log = logging.getLogger(__name__)


class Lost(Exception):  # noqa: N818 (no error)
    """The job was cancelled, deleted, or given to another worker: what is made of it is not wanted."""


class ToldToStop(Exception):  # noqa: N818 (no error)
    """The worker shall end; the job goes back."""


class Hold:
    """The claim of the job that is being worked on.

    Args:
        claim: of the job.
        time_limit: seconds that the work may take.
        stop: set when the worker shall end.
    """

    def __init__(self, claim: Claim, time_limit: float, stop: threading.Event) -> None:
        self.claim, self.time_limit, self.started = claim, time_limit, time.monotonic()
        self.progress = 0.0
        self.lost = False
        self._stop = stop

    @property
    def took_too_long(self) -> str:
        """What the owner is told then."""
        return f"{self.claim.job.name}: took longer than {self.time_limit:g} s; ask for fewer steps or a smaller photo"

    def go_on(self, progress: float) -> None:
        """Called between steps of the work.

        Args:
            progress: share that is done.

        Raises:
            Lost: the claim is.
            ToldToStop: by `stop`.
            NotMade: the time is over.
        """
        self.progress = progress
        if self.lost:
            raise Lost
        if self._stop.is_set():
            raise ToldToStop
        if time.monotonic() - self.started > self.time_limit:
            raise NotMade(self.took_too_long)


class Heartbeat(Background):
    """Writes progress, extends the lease of the claim, and learns whether it is still worth something.

    Work that is stuck where it reports no progress would keep its worker for ever: after twice its time the job fails,
    and the process ends.

    Args:
        jobs: of the service.
        worker: its name.
        keep_every: seconds after which a lease is extended; a sixth of it.
        stuck: called with a hold whose work is.
    """

    def __init__(self, jobs: Jobs, worker: str, stuck: Callable[[Hold], None], *, keep_every: float = 5.0) -> None:
        super().__init__("heartbeat")
        self._jobs, self._worker, self._keep_every, self._stuck = jobs, worker, keep_every, stuck
        self._hold: Hold | None = None

    @contextmanager
    def holding(self, hold: Hold) -> Iterator[None]:
        """Keep a claim until the block ends."""
        self._hold = hold
        try:
            yield
        finally:
            self._hold = None

    def _run(self) -> None:
        seen = kept = written = -float("inf")
        while True:
            hold, now = self._hold, time.monotonic()
            try:
                if now - seen >= SEEN_EVERY:
                    self._jobs.seen(self._worker)
                    seen = now
                if hold and not hold.lost and (hold.progress != written or now - kept >= self._keep_every):
                    written = hold.progress
                    hold.lost = not self._jobs.keep(hold.claim, written)
                    kept = now
            except DatabaseError as error:  # whoever works hears of it when it has something to say
                _log.warning("no sign of life: %s", type(error).__name__)
            if hold and now - hold.started > 2 * hold.time_limit:
                self._stuck(hold)
            if self._stop.wait(TICK):
                return
