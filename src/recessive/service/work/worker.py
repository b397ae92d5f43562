"""A worker: claims jobs, has their photos protected, and records the outcomes; one job at a time."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from recessive.options import ServiceOptions, read
from recessive.service.store.claims import Claims
from recessive.service.store.cleaning import Cleaner
from recessive.service.store.database import Database, DatabaseError
from recessive.service.store.deliveries import Deliveries
from recessive.service.store.job import Claim, JobState
from recessive.service.store.reading import JobReader
from recessive.service.store.storage import Storage, StorageError
from recessive.service.work.background import BackgroundThread, retry_until_available
from recessive.service.work.cleaning import CleaningRunner
from recessive.service.work.delivery import DeliveryRunner, delivery_of
from recessive.service.work.processing import NO_MEMORY, JobError, JobProcessor, JobResult

ENVIRONMENT = "RECESSIVE_SERVICE"
"""Variable with the settings as JSON: all users could read options, among them the password of a database."""

TICK = 1.0  # seconds between updates of progress
SEEN_EVERY = 10.0  # seconds
NICENESS = 10  # the server comes first
ORPHAN_GRACE = 15.0  # seconds that a worker gets to release its job once its server is gone
FAILED, STUCK = 2, 70  # exit statuses
UNEXPECTED = "the service could not protect this photo; nothing was kept"
_LONGEST_ERROR = 500
_log = logging.getLogger(__name__)


class LeaseLost(Exception):  # noqa: N818 (no error)
    """The job was cancelled, deleted, or given to another worker: its result is not needed."""


class StopRequested(Exception):  # noqa: N818 (no error)
    """The worker is to end; the job is released."""


@dataclass(eq=False)
class Lease:
    """The time for which a worker holds a job.

    Attributes:
        claim: the claim of the job.
        time_limit: seconds that the work may take.
        stop: set when the worker is to end.
        progress: the share of the work that is done.
        lost: whether the claim is lost.
        started: when the work began, on the monotonic clock.
    """

    claim: Claim
    time_limit: float
    stop: threading.Event
    progress: float = 0.0
    lost: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def took_too_long(self) -> str:
        """What the owner is told when the time limit is exceeded."""
        return f"took longer than {self.time_limit:g} s; request fewer steps or send a smaller photo"

    def check(self, progress: float) -> None:
        """Note the progress, and end the work if it is not to go on: by `LeaseLost`, `StopRequested` or `JobError`."""
        self.progress = progress
        if self.lost:
            raise LeaseLost
        if self.stop.is_set():
            raise StopRequested
        if time.monotonic() - self.started > self.time_limit:
            raise JobError(self.took_too_long)


class Heartbeat(BackgroundThread):
    """Records that the worker is alive, writes progress, extends the lease, and learns whether the claim is lost.

    Work that hangs without reporting progress would occupy its worker for ever: after twice its time limit the job
    fails, and the process ends.

    Args:
        claims: the claims of the service.
        worker: the name of the worker.
        on_stuck: called with a lease whose work hangs.
        keep_every: seconds after which a lease is extended; a sixth of it.
    """

    def __init__(
        self, claims: Claims, worker: str, on_stuck: Callable[[Lease], None], *, keep_every: float = 5.0
    ) -> None:
        super().__init__("heartbeat")
        self._claims, self._worker, self._keep_every, self._on_stuck = claims, worker, keep_every, on_stuck
        self._lease: Lease | None = None

    @contextmanager
    def keeping(self, lease: Lease) -> Iterator[None]:
        """Keep a lease until the block ends."""
        self._lease = lease
        try:
            yield
        finally:
            self._lease = None

    def _run(self) -> None:
        seen = kept = written = -float("inf")
        while True:
            lease, now = self._lease, time.monotonic()
            try:
                if now - seen >= SEEN_EVERY:
                    self._claims.seen(self._worker)
                    seen = now
                if lease and not lease.lost and (lease.progress != written or now - kept >= self._keep_every):
                    written = lease.progress
                    lease.lost = not self._claims.keep(lease.claim, written)
                    kept = now
            except DatabaseError as error:  # the work itself notices when it has something to record
                _log.warning("heartbeat failed: %s", type(error).__name__)
            if lease and now - lease.started > 2 * lease.time_limit:
                self._on_stuck(lease)
            if self._stop.wait(TICK):
                return


def work(settings: ServiceOptions, *, stop: threading.Event, idle: float = 0.5) -> None:
    """Process jobs until told to stop.

    Args:
        settings: the settings of the service.
        stop: ends the work; the current job is released.
        idle: seconds between checks while no job is ready.

    Raises:
        StorageError: if the folder is not that of the service, or can no longer be used.
        DatabaseError: if the database cannot be used at the start; later it is waited for.
    """
    storage = Storage(settings.folder)
    storage.open()
    with Database(settings.url) as database:
        database.migrate()
        storage.check_same(database, new=False)
        worker = _Worker(settings, database, storage, stop)
        with (
            CleaningRunner(Cleaner(database), storage),
            DeliveryRunner(Deliveries(database), storage, worker.name, settings.deliver_to),
            Heartbeat(worker.claims, worker.name, worker.end_stuck) as heartbeat,
        ):
            worker.run(heartbeat, idle)


class _Worker:
    def __init__(self, settings: ServiceOptions, database: Database, storage: Storage, stop: threading.Event) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.claims = Claims(database)
        self._reader = JobReader(database)
        self._settings, self._database, self._storage, self._stop = settings, database, storage, stop
        self._processor = JobProcessor(settings)

    def run(self, heartbeat: Heartbeat, idle: float) -> None:
        """Process one job after another until told to stop."""
        while not self._stop.is_set():
            try:
                claim = retry_until_available(lambda: self.claims.claim(self.name), self._stop)
                if claim is None:
                    self._stop.wait(idle)
                else:
                    self._do(claim, heartbeat)
            except DatabaseError:
                return  # told to stop while it was unavailable: the lease expires, and the files are swept

    def end_stuck(self, lease: Lease) -> None:
        """Fail a job whose work hangs, and end this process."""
        try:
            self._fail(lease.claim, lease.took_too_long)
        finally:
            _log.error("job %s is stuck", lease.claim.job.id)
            os._exit(STUCK)

    def _do(self, claim: Claim, heartbeat: Heartbeat) -> None:
        """Process a job, and bring its row and its files to the same end."""
        job, lease = claim.job, Lease(claim, self._settings.time_limit, self._stop)
        try:
            with heartbeat.keeping(lease):
                result = self._process(lease)
            outcome = self._finish(claim, result)
        except LeaseLost:
            outcome = self._drop(claim)
        except StopRequested:
            outcome = self._release(claim)
        except StorageError:
            self._release(claim)
            raise
        except DatabaseError:
            raise
        except JobError as error:
            outcome = self._fail(claim, error.problem)
        except MemoryError:
            outcome = self._fail(claim, NO_MEMORY)
        except Exception as error:  # noqa: BLE001 - a photo that breaks something must not end the worker
            _log.error("job %s: %s", job.id, type(error).__name__)
            outcome = self._fail(claim, UNEXPECTED)
        _log.info("job %s %s after %.1f s", job.id, outcome, time.monotonic() - lease.started)

    def _process(self, lease: Lease) -> JobResult:
        job = lease.claim.job
        original = self._storage.original(job)
        if not original.exists():
            # If the folder is no longer mounted, this affects more than one photo.
            retry_until_available(lambda: self._storage.check_same(self._database, new=False), self._stop)
            raise JobError("the photo no longer exists; send it again")
        folder = self._storage.result_folder(job.id, lease.claim.token)
        return self._processor.process(job, original, folder, lease.check)

    def _finish(self, claim: Claim, result: JobResult) -> str:
        delivery, why = delivery_of(claim.job, result.report)

        def finish(expires: float) -> bool:
            return self.claims.finish(claim, **vars(result), expires=expires, delivery=delivery, delivery_error=why)

        return self._end(claim, JobState.DONE, finish)

    def _fail(self, claim: Claim, problem: str) -> str:
        error = f"{claim.job.name}: {problem}"[:_LONGEST_ERROR]
        return self._end(claim, JobState.FAILED, lambda expires: self.claims.fail(claim, error, expires=expires))

    def _end(self, claim: Claim, state: JobState, change: Callable[[float], bool]) -> str:
        """Change the row, given when it expires; then delete the files that are not needed any more."""
        if not retry_until_available(lambda: change(self._expires()), self._stop):
            return self._drop(claim)
        if state == JobState.DONE:
            self._storage.remove_original(claim.job)
        else:
            self._storage.remove(claim.job)
        return state

    def _expires(self) -> float:
        with self._database.read() as connection:
            return self._database.now(connection) + self._settings.keep_hours * 3_600

    def _release(self, claim: Claim) -> str:
        self._storage.discard(claim.job.id, claim.token)
        retry_until_available(lambda: self.claims.release(claim), self._stop)
        return "released"

    def _drop(self, claim: Claim) -> str:
        """Remove the files of a lost claim, or all files of the job if it has failed or was cancelled or deleted."""
        found = retry_until_available(lambda: self._reader.watch([claim.job.id]), self._stop)
        if not found or found[0].state in (JobState.FAILED, JobState.CANCELLED):
            self._storage.remove(claim.job)
            return "dropped"
        if found[0].state == JobState.DONE:
            self._storage.remove_original(claim.job)
        if not self._storage.is_result_of(claim, found[0]):  # whatever went wrong after it was recorded
            self._storage.discard(claim.job.id, claim.token)
        return "dropped"


def run_worker(settings: ServiceOptions, stop: threading.Event | None = None) -> None:
    """Work until SIGTERM or SIGINT, and release the current job; a second signal ends the process at once.

    Must run in the main thread, which gets the signals.

    Another way to end the work is to set `stop`. Errors are those of `work`.
    """
    stop = stop or threading.Event()

    def on_signal(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    if hasattr(os, "nice"):
        os.nice(NICENESS)
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        # In a thread of its own: the handler sets `stop` in this one, which therefore must never wait for it.
        with ThreadPoolExecutor(1, "work") as threads:
            working = threads.submit(work, settings, stop=stop)
            wait([working])
            working.result()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Run a worker of a `Supervisor`: its settings come by environment, and it ends when standard input is closed."""
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("recessive").setLevel(logging.INFO)
    stop = threading.Event()
    threading.Thread(target=_end_with_parent, args=(stop,), name="parent", daemon=True).start()
    try:
        run_worker(read(ServiceOptions, json.loads(os.environ[ENVIRONMENT])), stop)
    except (DatabaseError, StorageError) as error:
        _log.error("%s", error)
        return FAILED
    return 0


def _end_with_parent(stop: threading.Event) -> None:
    """End this process when the one that started it is gone, however it went: the system closes the pipe."""
    while os.read(0, 1):  # not sys.stdin, whose lock would be in the way when Python ends
        pass
    stop.set()
    time.sleep(ORPHAN_GRACE)
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
