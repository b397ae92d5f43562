"""Cleaning: jobs of lost workers are requeued, expired jobs removed, and files that no job needs swept."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import delete, or_, select

from recessive.service.store.claims import requeue_lost_jobs
from recessive.service.store.database import Database
from recessive.service.store.deliveries import requeue_lost_deliveries
from recessive.service.store.inbox import DAY
from recessive.service.store.job import ACTIVE, BRIEF, DeliveryState, Job, JobState, job_of
from recessive.service.store.reading import ALIVE, JobReader
from recessive.service.store.storage import Storage, job_of_original, job_of_result, listed, remove_path
from recessive.service.store.tables import accepted, jobs, workers

YOUNG_ORIGINAL = 600.0  # seconds that an original may lie here before its job is added
YOUNG_UPLOAD = 3_600.0  # seconds that an upload may make no progress
_MOST_EXPIRED, _BATCH = 1_000, 100  # jobs in a call, and in a transaction: other writers wait for it


class Cleaner:
    """Cleans the queue and the folder. Any number of processes may do so at once: each step is done by one of them.

    Args:
        database: the database, with its tables up to date.
        most_attempts: the number of times that workers may die on a job before it fails.

    Raises:
        DatabaseError: from each call, if the database cannot be used.
    """

    def __init__(self, database: Database, *, most_attempts: int = 8) -> None:
        self._database, self._most_attempts = database, most_attempts

    def requeue_lost(self) -> int:
        """Take jobs and deliveries from workers that have not kept their claims; the number of these.

        They wait again, for 2, 4, 8, ... seconds, or fail after too many attempts.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            lost = requeue_lost_jobs(connection, now, self._most_attempts)
            return lost + requeue_lost_deliveries(connection, now)

    def expire(self) -> list[Job]:
        """Remove expired jobs, at most 1,000, and forget what counts towards no quota any more.

        Returns:
            The jobs as they were, without `insight`, so that their files can be removed.
        """
        gone: list[Job] = []
        while len(gone) < _MOST_EXPIRED:
            batch = self._expire_batch()
            gone += batch
            if len(batch) < _BATCH:
                break
        return gone

    def _expire_batch(self) -> list[Job]:
        with self._database.begin() as connection:
            now = self._database.now(connection)
            connection.execute(delete(accepted).where(accepted.c.at <= now - DAY))
            connection.execute(delete(workers).where(workers.c.seen < now - ALIVE))
            settled = or_(jobs.c.delivery.is_(None), jobs.c.delivery != DeliveryState.WAITING)
            due = select(jobs.c.id).where(jobs.c.expires <= now, jobs.c.state.not_in(ACTIVE), settled)
            first = due.order_by(jobs.c.expires).limit(_BATCH).with_for_update(skip_locked=True)
            ids = connection.scalars(first).all()
            rows = connection.execute(delete(jobs).where(jobs.c.id.in_(ids)).returning(*BRIEF)).all()
        return [job_of(row) for row in rows]

    def sweep(self, storage: Storage) -> None:
        """Remove files that no job needs, left by a process that died between changing a row and changing its files."""
        # The clock of the file system: that of another machine may be wrong, and a young file must not look old.
        os.utime(storage.incoming)
        now = storage.incoming.stat().st_mtime
        for upload in listed(storage.incoming):
            if _age(upload, now) > YOUNG_UPLOAD:
                remove_path(upload)
        reader = JobReader(self._database)
        # Files are listed before their jobs are looked up: a file newer than the answer is not judged by it.
        originals, results = listed(storage.originals), listed(storage.results)
        states = reader.known({job_of_original(path) for path in originals})
        for path in originals:
            state = states.get(job_of_original(path))
            if state not in ACTIVE and (state is not None or _age(path, now) > YOUNG_ORIGINAL):
                remove_path(path)
        of_job: dict[str, list[Path]] = {}
        for folder in results:
            of_job.setdefault(job_of_result(folder), []).append(folder)
        states = reader.known(of_job.keys())
        for job_id, own in of_job.items():
            state = states.get(job_id)
            if state == JobState.RUNNING or (state == JobState.DONE and len(own) == 1):
                continue  # one of them is being written to, or is named by the row
            done = reader.watch([job_id]) if state == JobState.DONE else []
            needed = {Path(job.result or "").parent.name for job in done}
            for folder in own:
                if folder.name not in needed:
                    remove_path(folder)


def _age(path: Path, now: float) -> float:
    """Seconds since a file was last written to; 0 if it is gone."""
    try:
        return now - path.stat().st_mtime
    except OSError:
        return 0.0
