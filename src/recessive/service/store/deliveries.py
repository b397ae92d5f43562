"""Protected photos that workers deliver: as with jobs that they run, a claim has a token and a lease."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from recessive.service.store.claims import wait_after
from recessive.service.store.job import Claim, DeliveryState
from recessive.service.store.rows import WHOLE, job_of, write_delivery_down
from recessive.service.store.tables import jobs

_MOST_LOST = 12  # attempts after which a delivery that workers die on is given up
_DUE = jobs.c.delivery == DeliveryState.WAITING
_FREE = {"delivery_token": None, "delivery_lease": None}


def take_delivery(connection: Connection, now: float, worker: str, lease: float) -> Claim | None:
    """The delivery that has been due for longest."""
    next_one = (
        select(jobs.c.id)
        .where(_DUE, jobs.c.delivery_token.is_(None), jobs.c.delivery_next <= now)
        .order_by(jobs.c.delivery_next, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    job_id = connection.scalar(next_one)
    if job_id is None:
        return None
    token = secrets.token_hex(16)
    taken = {
        "delivery_worker": worker,
        "delivery_token": token,
        "delivery_lease": now + lease,
        "delivery_attempts": jobs.c.delivery_attempts + 1,
    }
    row = connection.execute(update(jobs).where(jobs.c.id == job_id).values(taken).returning(*WHOLE)).one()
    return Claim(job_of(row), token)


def settle(connection: Connection, claim: Claim, now: float, state: DeliveryState, **values: Any) -> bool:  # noqa: ANN401
    """Bring a delivery to its end; True also when this claim has done so before and its answer got lost."""
    settled = {"delivery": state, "delivery_next": None, "delivery_lease": None, **values}
    ended = update(jobs).where(*_held(claim)).values(settled).returning(jobs.c.delivery_worker)
    row = connection.execute(ended).first()
    if row is not None:
        write_delivery_down(connection, claim.job.id, now, state, row.delivery_worker)
        return True
    same = (jobs.c.id == claim.job.id, jobs.c.delivery_token == claim.token, jobs.c.delivery == state)
    return connection.execute(select(jobs.c.id).where(*same)).first() is not None


def try_again(connection: Connection, claim: Claim, at: float, error: str) -> bool:
    """Let it be due again later."""
    free = {**_FREE, "delivery_next": at, "delivery_error": error}
    return connection.execute(update(jobs).where(*_held(claim)).values(free)).rowcount == 1


def take_deliveries_from_the_lost(connection: Connection, now: float) -> int:
    """Let deliveries be due again whose lease has run out, or give them up; how many these were."""
    lost = (
        select(jobs.c.id, jobs.c.delivery_attempts, jobs.c.delivery_worker)
        .where(_DUE, jobs.c.delivery_lease < now)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(lost).all()
    for job_id, attempts, worker in rows:
        change: dict[str, Any] = {**_FREE, "delivery_error": f"the worker died during attempt {attempts}"}
        if attempts < _MOST_LOST:
            change["delivery_next"] = now + wait_after(attempts)
        else:
            change |= {"delivery": DeliveryState.FAILED, "delivery_next": None}
            write_delivery_down(connection, job_id, now, DeliveryState.FAILED, worker)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(change))
    return len(rows)


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """That the claim still is the row's."""
    return (jobs.c.id == claim.job.id, jobs.c.delivery_token == claim.token, _DUE)
