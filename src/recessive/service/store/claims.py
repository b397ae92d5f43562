"""Jobs that workers run: who has which, for how long, and how it ends. Each function is part of a transaction.

A worker claims a job and gets a token and a lease. Whoever ends the claim (the worker itself, the owner who cancels,
another process that sees the lease run out) takes the token out of the row or the row out of the state; what the worker
says later is then refused. So whatever is killed whenever, a job is done once.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from recessive.service.store.job import Claim, DeliveryState, JobState
from recessive.service.store.rows import WHOLE, job_of, write_delivery_down, write_down
from recessive.service.store.tables import jobs

_LONGEST_WAIT = 3_600.0  # s
_FAILED_STAYS = 86_400.0  # s
_FREE = {"worker": None, "token": None, "lease": None, "started": None, "progress": 0.0}


def take(connection: Connection, now: float, worker: str, lease: float) -> Claim | None:
    """The oldest job that may run, of those owners of whom the fewest run."""
    running = (
        select(jobs.c.owner, func.count().label("number"))
        .where(jobs.c.state == JobState.RUNNING)
        .group_by(jobs.c.owner)
        .subquery()
    )
    next_one = (
        select(jobs.c.id)
        .outerjoin(running, running.c.owner == jobs.c.owner)
        .where(jobs.c.state == JobState.WAITING, jobs.c.ready <= now)
        .order_by(func.coalesce(running.c.number, 0), jobs.c.created, jobs.c.id)
        .limit(1)
        .with_for_update(of=jobs, skip_locked=True)
    )
    job_id = connection.scalar(next_one)
    if job_id is None:
        return None
    token = secrets.token_hex(16)
    taken = {
        "state": JobState.RUNNING,
        "worker": worker,
        "token": token,
        "lease": now + lease,
        "started": now,
        "attempts": jobs.c.attempts + 1,
    }
    row = connection.execute(update(jobs).where(jobs.c.id == job_id).values(taken).returning(*WHOLE)).one()
    write_down(connection, job_id, now, JobState.RUNNING, worker)
    return Claim(job_of(row), token)


def keep(connection: Connection, claim: Claim, until: float, progress: float) -> bool:
    """Extend the lease."""
    kept = {"lease": until, "progress": min(max(progress, 0.0), 1.0)}
    return connection.execute(update(jobs).where(*_held(claim)).values(kept)).rowcount == 1


def end(connection: Connection, claim: Claim, now: float, state: JobState, **values: Any) -> bool:  # noqa: ANN401
    """Bring a job to its end; True also when this claim has done so before and its answer got lost."""
    ended = {"state": state, "finished": now, "lease": None, **values}
    if connection.execute(update(jobs).where(*_held(claim)).values(ended)).rowcount == 1:
        write_down(connection, claim.job.id, now, state, claim.job.worker)
        if values.get("delivery") == DeliveryState.HELD:
            write_delivery_down(connection, claim.job.id, now, DeliveryState.HELD, claim.job.worker)
        return True
    before = select(jobs.c.id).where(jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.state == state)
    return connection.execute(before).first() is not None


def put_back(connection: Connection, claim: Claim, now: float) -> bool:
    """Let it wait again as if it had not been taken."""
    free = {**_FREE, "state": JobState.WAITING, "ready": now, "attempts": jobs.c.attempts - 1}
    if connection.execute(update(jobs).where(*_held(claim)).values(free)).rowcount == 0:
        return False
    write_down(connection, claim.job.id, now, JobState.WAITING, claim.job.worker)
    return True


def take_from_the_lost(connection: Connection, now: float, most_attempts: int) -> int:
    """Let jobs wait again whose lease has run out, each time longer, or give them up; how many these were."""
    lost = (
        select(jobs.c.id, jobs.c.attempts, jobs.c.worker)
        .where(jobs.c.state == JobState.RUNNING, jobs.c.lease < now)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(lost).all()
    for job_id, attempts, worker in rows:
        if attempts < most_attempts:
            change: dict[str, Any] = {**_FREE, "state": JobState.WAITING, "ready": now + wait_after(attempts)}
        else:
            error = f"the worker died {attempts} times on it"
            change = {"state": JobState.FAILED, "finished": now, "expires": now + _FAILED_STAYS, "error": error}
            change |= {"token": None, "lease": None}
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(change))
        write_down(connection, job_id, now, change["state"], worker)
    return len(rows)


def wait_after(attempts: int) -> float:
    """Seconds before a job that was lost so many times is tried again."""
    return min(2.0 ** min(attempts, 30), _LONGEST_WAIT)


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """That the claim still is the row's."""
    return (jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.state == JobState.RUNNING)
