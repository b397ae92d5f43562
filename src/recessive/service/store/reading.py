"""Reading: jobs are looked up, listed and counted for clients, event streams, cleaning and metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import Column, func, select, tuple_

from recessive.service.store.database import Database
from recessive.service.store.job import BRIEF, WHOLE, DeliveryState, Job, JobState, job_of, owned_by, stored_owner
from recessive.service.store.tables import history, jobs, workers

ALIVE = 30.0
"""Seconds for which a worker counts after it was last seen."""

_BATCH = 1_000  # ids in a statement


class JobReader:
    """Reads jobs and changes none. Threads may share the object.

    Args:
        database: the database, with its tables up to date.

    Raises:
        DatabaseError: from each call, if the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: str, owner: str | None) -> Job | None:
        """The job; None if it does not exist or belongs to another owner."""
        with self._database.read() as connection:
            row = connection.execute(select(*WHOLE).where(*owned_by(job_id, owner))).first()
        return None if row is None else job_of(row)

    def list(self, owner: str | None, limit: int, before: tuple[float, str] | None = None) -> list[Job]:
        """At most `limit` of the owner's jobs, newest first, without `insight`.

        They follow the job whose `created` and `id` are given as `before`.
        """
        chosen = select(*BRIEF).where(jobs.c.owner == stored_owner(owner))
        if before is not None:
            chosen = chosen.where(tuple_(jobs.c.created, jobs.c.id) < before)
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit)).all()
        return [job_of(row) for row in rows]

    def watch(self, ids: Collection[str]) -> Sequence[Job]:
        """The existing jobs among these ids, of all owners, without `insight`."""
        with self._database.read() as connection:
            chosen = (select(*BRIEF).where(jobs.c.id.in_(batch)) for batch in _batches(ids))
            return [job_of(row) for select_ in chosen for row in connection.execute(select_)]

    def known(self, ids: Collection[str]) -> dict[str, JobState]:
        """The states of the existing jobs among these ids."""
        with self._database.read() as connection:
            chosen = (select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(batch)) for batch in _batches(ids))
            return {job_id: JobState(state) for select_ in chosen for job_id, state in connection.execute(select_)}

    def counts(self) -> dict[str, int]:
        """The number of jobs by state."""
        return {**{state.value: 0 for state in JobState}, **self._counted(jobs.c.state)}

    def delivery_counts(self) -> dict[str, int]:
        """The number of deliveries by state."""
        return {**{state.value: 0 for state in DeliveryState}, **self._counted(jobs.c.delivery)}

    def _counted(self, column: Column[str]) -> dict[str, int]:
        counting = select(column, func.count()).where(column.is_not(None)).group_by(column)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(counting)}

    def oldest_waiting(self) -> float | None:
        """Seconds since the oldest waiting job was accepted; None if no job waits."""
        with self._database.read() as connection:
            oldest = connection.scalar(select(func.min(jobs.c.created)).where(jobs.c.state == JobState.WAITING))
            return None if oldest is None else max(0.0, self._database.now(connection) - oldest)

    def workers(self) -> int:
        """The number of workers seen within the last 30 s."""
        with self._database.read() as connection:
            alive = workers.c.seen > self._database.now(connection) - ALIVE
            return connection.scalar(select(func.count()).select_from(workers).where(alive)) or 0

    def history(self, job_id: str) -> Sequence[tuple[float, str, str | None]]:
        """The changes of a job: when, the new state, and the worker that had the job.

        States are those of `JobState`, and "delivery held", "delivery delivered" and "delivery failed".
        """
        chosen = select(history.c.at, history.c.state, history.c.worker).where(history.c.job == job_id)
        with self._database.read() as connection:
            return [(at, state, worker) for at, state, worker in connection.execute(chosen.order_by(history.c.number))]


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    every = list(ids)
    return (every[start : start + _BATCH] for start in range(0, len(every), _BATCH))
