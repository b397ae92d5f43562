"""What there is to know about jobs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import func, select, tuple_

from recessive.service.store.database import Database
from recessive.service.store.job import DeliveryState, Job, JobState
from recessive.service.store.rows import BRIEF, WHOLE, job_of, of_owner, stored_owner
from recessive.service.store.tables import history, jobs, workers

ALIVE = 30.0  # s since a worker was seen
_AT_ONCE = 1_000  # ids in a statement


class JobReader:
    """Reads the jobs, and changes none.

    Raises:
        DatabaseError: from each call, when the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: str, owner: str | None) -> Job | None:
        """The job; None when there is none, or it is not this owner's."""
        with self._database.read() as connection:
            row = connection.execute(select(*WHOLE).where(*of_owner(job_id, owner))).first()
        return None if row is None else job_of(row)

    def list(self, owner: str | None, limit: int, before: tuple[float, str] | None = None) -> list[Job]:
        """The owner's jobs, newest first, without their `insight`, which is large.

        Args:
            owner: whose.
            limit: at most so many.
            before: `created` and `id` of a job, to go on after it.
        """
        chosen = select(*BRIEF).where(jobs.c.owner == stored_owner(owner))
        if before is not None:
            chosen = chosen.where(tuple_(jobs.c.created, jobs.c.id) < before)
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit)).all()
        return [job_of(row) for row in rows]

    def watch(self, ids: Collection[str]) -> Sequence[Job]:
        """Those of the jobs that there are, whoever owns them, without their `insight`."""
        with self._database.read() as connection:
            return [
                job_of(row)
                for some in _batches(ids)
                for row in connection.execute(select(*BRIEF).where(jobs.c.id.in_(some)))
            ]

    def known(self, ids: Collection[str]) -> dict[str, JobState]:
        """The states of those of the jobs that there are."""
        with self._database.read() as connection:
            return {
                job_id: JobState(state)
                for some in _batches(ids)
                for job_id, state in connection.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(some)))
            }

    def counts(self) -> dict[str, int]:
        """How many jobs there are, by state."""
        with self._database.read() as connection:
            counted = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
        return {**{state.value: 0 for state in JobState}, **dict(map(tuple, counted))}

    def delivery_counts(self) -> dict[str, int]:
        """How many deliveries there are, by state."""
        with self._database.read() as connection:
            asked = select(jobs.c.delivery, func.count()).where(jobs.c.delivery.is_not(None))
            counted = connection.execute(asked.group_by(jobs.c.delivery)).all()
        return {**{state.value: 0 for state in DeliveryState}, **dict(map(tuple, counted))}

    def oldest_waiting(self) -> float | None:
        """Seconds since the oldest waiting job was accepted; None when none waits."""
        with self._database.read() as connection:
            oldest = connection.scalar(select(func.min(jobs.c.created)).where(jobs.c.state == JobState.WAITING))
            return None if oldest is None else max(0.0, self._database.now(connection) - oldest)

    def workers(self) -> int:
        """How many were seen within the last 30 s."""
        with self._database.read() as connection:
            alive = workers.c.seen > self._database.now(connection) - ALIVE
            return connection.scalar(select(func.count()).select_from(workers).where(alive)) or 0

    def history(self, job_id: str) -> Sequence[tuple[float, str, str | None]]:
        """What became of the job: when, its new state, and the worker that had it.

        States are those of `JobState`, and "delivery held", "delivery delivered" and "delivery failed".
        """
        asked = select(history.c.at, history.c.state, history.c.worker).where(history.c.job == job_id)
        with self._database.read() as connection:
            return [(at, state, worker) for at, state, worker in connection.execute(asked.order_by(history.c.number))]


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    every = list(ids)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
