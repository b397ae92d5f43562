"""Claims: which worker runs which job, for how long, and with what outcome."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from recessive.backoff import backoff
from recessive.service.store.database import Database
from recessive.service.store.job import (
    WHOLE,
    Claim,
    DeliveryState,
    JobState,
    job_of,
    record_delivery,
    record_history,
)
from recessive.service.store.tables import jobs, workers

_FAILED_STAYS = 86_400.0  # seconds until a job that workers died on expires
_UNCLAIMED = {"worker": None, "token": None, "lease": None, "started": None, "progress": 0.0}


class Claims:
    """What workers do to the queue. Threads may share the object.

    Args:
        database: the database, with its tables up to date.
        lease: seconds after which a claim is lost unless it is kept.

    Each call but `claim` and `seen` returns False if the claim is lost, since the job was cancelled, deleted, or given
    to another worker; nothing changes then. `finish` and `fail` may be repeated if the answer was lost.

    Raises:
        DatabaseError: from each call, if the database cannot be used. The change may then have been made or not.
    """

    def __init__(self, database: Database, *, lease: float = 30.0) -> None:
        self._database, self._lease = database, lease

    def claim(self, worker: str) -> Claim | None:
        """Claim the oldest waiting job among the owners with the fewest running jobs; None if no job is ready."""
        with self._database.begin() as connection:
            return take(connection, self._database.now(connection), worker, self._lease)

    def keep(self, claim: Claim, progress: float) -> bool:
        """Extend the lease, and record the share of the work that is done, from 0 to 1."""
        with self._database.begin() as connection:
            lease = self._database.now(connection) + self._lease
            kept = update(jobs).where(*_held(claim)).values(lease=lease, progress=min(max(progress, 0.0), 1.0))
            return connection.execute(kept).rowcount == 1

    def finish(
        self,
        claim: Claim,
        *,
        report: dict[str, Any],
        insight: dict[str, Any] | None,
        result: str,
        sheet: str | None,
        expires: float,
        delivery: DeliveryState | None = None,
        delivery_error: str | None = None,
    ) -> bool:
        """Record that the job is done, with the values that `Job` describes.

        `delivery` is WAITING to have the photo delivered, HELD if it must not be, None if no delivery was requested.
        """
        values = {"report": report, "insight": insight, "result": result, "sheet": sheet, "expires": expires}
        with self._database.begin() as connection:
            now = self._database.now(connection)
            if delivery is not None:
                values |= {"delivery": delivery, "delivery_error": delivery_error}
                values["delivery_next"] = now if delivery == DeliveryState.WAITING else None
            return end(connection, claim, now, JobState.DONE, progress=1.0, **values)

    def fail(self, claim: Claim, error: str, *, expires: float) -> bool:
        """Record that the job has failed, and why, in one line."""
        with self._database.begin() as connection:
            now = self._database.now(connection)
            return end(connection, claim, now, JobState.FAILED, error=error, expires=expires)

    def release(self, claim: Claim) -> bool:
        """Return the job to the queue as if it had not been claimed."""
        with self._database.begin() as connection:
            now = self._database.now(connection)
            free = {**_UNCLAIMED, "state": JobState.WAITING, "ready": now, "attempts": jobs.c.attempts - 1}
            if connection.execute(update(jobs).where(*_held(claim)).values(free)).rowcount == 0:
                return False
            record_history(connection, [claim.job.id], now, JobState.WAITING, claim.job.worker)
            return True

    def seen(self, worker: str) -> None:
        """Record that a worker is alive."""
        with self._database.begin() as connection:
            new = (sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert)(workers)
            values = {"name": worker, "seen": self._database.now(connection)}
            connection.execute(new.values(values).on_conflict_do_update(index_elements=["name"], set_=values))


def take(connection: Connection, now: float, worker: str, lease: float) -> Claim | None:
    """Claim the next job, as part of a transaction."""
    running = (
        select(jobs.c.owner, func.count().label("number"))
        .where(jobs.c.state == JobState.RUNNING)
        .group_by(jobs.c.owner)
        .subquery()
    )
    candidates = (
        select(jobs.c.id)
        .outerjoin(running, running.c.owner == jobs.c.owner)
        .where(jobs.c.state == JobState.WAITING, jobs.c.ready <= now)
        .order_by(func.coalesce(running.c.number, 0), jobs.c.created, jobs.c.id)
    )
    changes = {"worker": worker, "lease": now + lease, "started": now, "attempts": jobs.c.attempts + 1}
    claim = claim_first(connection, candidates, "token", {**changes, "state": JobState.RUNNING})
    if claim is not None:
        record_history(connection, [claim.job.id], now, JobState.RUNNING, worker)
    return claim


def claim_first(
    connection: Connection, candidates: Select[tuple[str]], token_column: str, changes: dict[str, Any]
) -> Claim | None:
    """Claim the first of the jobs whose ids are selected; None if there is none, or others are claiming all of them."""
    job_id = connection.scalar(candidates.limit(1).with_for_update(of=jobs, skip_locked=True))
    if job_id is None:
        return None
    token = secrets.token_hex(16)
    claimed = update(jobs).where(jobs.c.id == job_id).values({**changes, token_column: token}).returning(*WHOLE)
    return Claim(job_of(connection.execute(claimed).one()), token)


def end(connection: Connection, claim: Claim, now: float, state: JobState, **values: Any) -> bool:  # noqa: ANN401
    """Bring a job to a final state; True also if this claim has done so before and the answer was lost."""
    ended = {"state": state, "finished": now, "lease": None, **values}
    if connection.execute(update(jobs).where(*_held(claim)).values(ended)).rowcount == 1:
        record_history(connection, [claim.job.id], now, state, claim.job.worker)
        if values.get("delivery") == DeliveryState.HELD:
            record_delivery(connection, claim.job.id, now, DeliveryState.HELD, claim.job.worker)
        return True
    before = select(jobs.c.id).where(jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.state == state)
    return connection.execute(before).first() is not None


def requeue_lost_jobs(connection: Connection, now: float, most_attempts: int) -> int:
    """Return jobs with an expired lease to the queue, or fail them after so many attempts; the number of these jobs."""
    lost = (
        select(jobs.c.id, jobs.c.attempts, jobs.c.worker)
        .where(jobs.c.state == JobState.RUNNING, jobs.c.lease < now)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(lost).all()
    for job_id, attempts, worker in rows:
        if attempts < most_attempts:
            change: dict[str, Any] = {**_UNCLAIMED, "state": JobState.WAITING, "ready": now + wait_after(attempts)}
        else:
            error = f"the worker died {attempts} times while processing this photo"
            change = {"state": JobState.FAILED, "finished": now, "expires": now + _FAILED_STAYS, "error": error}
            change |= {"token": None, "lease": None}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(change))
        record_history(connection, [job_id], now, change["state"], worker)
    return len(rows)


def wait_after(attempts: int) -> float:
    """Seconds to wait after so many lost attempts: 2, 4, 8, ..., at most an hour."""
    return backoff(attempts - 1, 2.0, 3_600.0)


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The condition that the claim still holds the row."""
    return (jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.state == JobState.RUNNING)
