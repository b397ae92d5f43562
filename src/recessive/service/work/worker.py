"""A worker: takes jobs, protects their photos, delivers them; one job at a time."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

from recessive.service.settings import ServiceSettings
from recessive.service.store.database import Database, DatabaseError
from recessive.service.store.jobs import Claim, Jobs, JobState
from recessive.service.store.storage import Storage, StorageError
from recessive.service.work.courier import Courier
from recessive.service.work.delivery import delivery_of
from recessive.service.work.heartbeat import STUCK, Heartbeat, Hold, Lost, ToldToStop
from recessive.service.work.housekeeping import Housekeeping
from recessive.service.work.making import Made, NotMade, make, plain
from recessive.service.work.patience import patiently
from recessive.service.work.protectors import Protectors

UNEXPECTED = "the service could not protect it; nothing was kept"
_log = logging.getLogger(__name__)


def work(settings: ServiceSettings, *, stop: threading.Event, idle: float = 0.5) -> None:
    """Take jobs and work on them until told to stop.

    What is made of a photo goes into a folder that only this claim writes to; then the row is changed; then the
    original is deleted. Whatever is killed in between, the row says which files count, and `Storage.sweep` removes the
    others.

    Args:
        settings: of the service.
        stop: ends the work; the job that runs is put back.
        idle: seconds between looks when there is nothing to do.

    Raises:
        StorageError: the folder is not the service's, or cannot be used any more.
        DatabaseError: the database cannot be used at the start; later it is waited for.
    """
    storage = Storage(settings.folder)
    storage.open()
    with Database(settings.url) as database:
        database.migrate()
        storage.check_same(database, new=False)
        worker = _Worker(settings, database, storage, stop)
        with (
            Housekeeping(worker.jobs, storage),
            Courier(worker.jobs, storage, worker.name, settings.deliver_to),
            Heartbeat(worker.jobs, worker.name, worker.end_stuck) as heartbeat,
        ):
            worker.run(heartbeat, idle)


class _Worker:
    def __init__(self, settings: ServiceSettings, database: Database, storage: Storage, stop: threading.Event) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.jobs = Jobs(database, queue=settings.queue)
        self._settings, self._database, self._storage, self._stop = settings, database, storage, stop
        self._protectors = Protectors(settings, storage)

    def run(self, heartbeat: Heartbeat, idle: float) -> None:
        """Take one job after another until told to stop."""
        while not self._stop.is_set():
            try:
                claim = patiently(lambda: self.jobs.claim(self.name), self._stop)
                if claim is None:
                    self._stop.wait(idle)
                else:
                    self._do(claim, heartbeat)
            except DatabaseError:
                return  # told to stop while it was away: the claim runs out, and what it left is swept

    def end_stuck(self, hold: Hold) -> None:
        """Give up a job whose work reports nothing any more, and this process with it."""
        try:
            self._fail(hold.claim, hold.took_too_long)
        finally:
            _log.error("job %s is stuck", hold.claim.job.id)
            os._exit(STUCK)

    def _do(self, claim: Claim, heartbeat: Heartbeat) -> None:
        """Work on a job, and bring its row and its files to the same end."""
        job, hold = claim.job, Hold(claim, self._settings.time_limit, self._stop)
        try:
            with heartbeat.holding(hold):
                made = self._made(hold)
            outcome = self._finish(claim, made)
        except Lost:
            outcome = self._drop(claim)
        except ToldToStop:
            outcome = self._put_back(claim)
        except StorageError:
            self._put_back(claim)
            raise
        except DatabaseError:
            raise
        except NotMade as error:
            outcome = self._fail(claim, str(error))
        except MemoryError:
            outcome = self._fail(claim, plain("not enough memory", job, self._storage))
        except Exception as error:  # noqa: BLE001 - a photo that breaks something must not end the worker
            _log.error("job %s: %s", job.id, type(error).__name__)
            outcome = self._fail(claim, UNEXPECTED)
        _log.info("job %s %s after %.1f s", job.id, outcome, time.monotonic() - hold.started)

    def _made(self, hold: Hold) -> Made:
        job = hold.claim.job
        if not self._storage.original(job).exists():
            # If the folder is not mounted any more, it is not this photo alone.
            patiently(lambda: self._storage.check_same(self._database, new=False), self._stop)
            raise NotMade(f"{job.name}: is not here any more; send it again")
        folder = self._storage.result_folder(job.id, hold.claim.token)
        return make(job, self._storage, folder, self._protectors.of(job, hold.go_on), hold.go_on)

    def _finish(self, claim: Claim, made: Made) -> str:
        delivery, why = delivery_of(claim.job, made.report)

        def finish(expires: float) -> bool:
            return self.jobs.finish(
                claim,
                report=made.report,
                insight=made.insight,
                result=made.result,
                sheet=made.sheet,
                expires=expires,
                delivery=delivery,
                delivery_error=why,
            )

        return self._end(claim, JobState.DONE, finish)

    def _fail(self, claim: Claim, error: str) -> str:
        return self._end(claim, JobState.FAILED, lambda expires: self.jobs.fail(claim, error, expires=expires))

    def _end(self, claim: Claim, state: JobState, change: Callable[[float], bool]) -> str:
        """Change the row, told when it expires; then delete what it does not need any more."""
        if not patiently(lambda: change(self._expires()), self._stop):
            return self._drop(claim)
        if state == JobState.DONE:
            self._storage.remove_original(claim.job)
        else:
            self._storage.remove(claim.job)
        return state

    def _expires(self) -> float:
        with self._database.read() as connection:
            return self._database.now(connection) + self._settings.keep_hours * 3_600

    def _put_back(self, claim: Claim) -> str:
        self._storage.discard(claim.job.id, claim.token)
        patiently(lambda: self.jobs.release(claim), self._stop)
        return "put back"

    def _drop(self, claim: Claim) -> str:
        """The claim is lost: nothing of it is wanted, and nothing else either if the job has come to its end."""
        found = patiently(lambda: self.jobs.watch([claim.job.id]), self._stop)
        if not found or found[0].state in (JobState.FAILED, JobState.CANCELLED):
            self._storage.remove(claim.job)
            return "dropped"
        if found[0].state == JobState.DONE:
            self._storage.remove_original(claim.job)
        if not self._storage.is_result_of(claim, found[0]):  # whatever went wrong after it was recorded
            self._storage.discard(claim.job.id, claim.token)
        return "dropped"
