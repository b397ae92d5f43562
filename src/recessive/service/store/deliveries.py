"""Deliveries: which worker delivers which protected photo. As with jobs that run, a claim has a token and a lease."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from recessive.service.store.claims import claim_first, wait_after
from recessive.service.store.database import Database
from recessive.service.store.job import Claim, DeliveryState, record_delivery
from recessive.service.store.tables import jobs

_MOST_ATTEMPTS = 12  # after which a delivery that workers die on is given up
_DUE = jobs.c.delivery == DeliveryState.WAITING
_UNCLAIMED = {"delivery_token": None, "delivery_lease": None}


class Deliveries:
    """What workers do to deliveries. Threads may share the object.

    Args:
        database: the database, with its tables up to date.
        lease: seconds after which a claim is lost; unlike that of a job, it is never extended.

    `delivered` and `failed` return False if the claim is lost; nothing changes then.

    Raises:
        DatabaseError: from each call, if the database cannot be used. The change may then have been made or not;
            `delivered` may simply be called again.
    """

    def __init__(self, database: Database, *, lease: float = 120.0) -> None:
        self._database, self._lease = database, lease

    def claim(self, worker: str) -> Claim | None:
        """Claim the delivery that has been due for longest; None if none is due."""
        with self._database.begin() as connection:
            now = self._database.now(connection)
            due = select(jobs.c.id).where(_DUE, jobs.c.delivery_token.is_(None), jobs.c.delivery_next <= now)
            changes = {
                "delivery_worker": worker,
                "delivery_lease": now + self._lease,
                "delivery_attempts": jobs.c.delivery_attempts + 1,
            }
            return claim_first(connection, due.order_by(jobs.c.delivery_next, jobs.c.id), "delivery_token", changes)

    def delivered(self, claim: Claim) -> bool:
        """Record that the photo was delivered."""
        with self._database.begin() as connection:
            now = self._database.now(connection)
            return settle(connection, claim, now, DeliveryState.DELIVERED, delivered=now, delivery_error=None)

    def failed(self, claim: Claim, error: str, retry_in: float | None) -> bool:
        """Record why the attempt failed, in one line. The next is due in `retry_in` seconds; None to give up."""
        with self._database.begin() as connection:
            now = self._database.now(connection)
            if retry_in is None:
                return settle(connection, claim, now, DeliveryState.FAILED, delivery_error=error)
            again = {**_UNCLAIMED, "delivery_next": now + retry_in, "delivery_error": error}
            return connection.execute(update(jobs).where(*_held(claim)).values(again)).rowcount == 1


def settle(connection: Connection, claim: Claim, now: float, state: DeliveryState, **values: Any) -> bool:  # noqa: ANN401
    """Bring a delivery to a final state; True also if this claim has done so before and the answer was lost."""
    settled = {"delivery": state, "delivery_next": None, "delivery_lease": None, **values}
    ended = update(jobs).where(*_held(claim)).values(settled).returning(jobs.c.delivery_worker)
    row = connection.execute(ended).first()
    if row is not None:
        record_delivery(connection, claim.job.id, now, state, row.delivery_worker)
        return True
    same = (jobs.c.id == claim.job.id, jobs.c.delivery_token == claim.token, jobs.c.delivery == state)
    return connection.execute(select(jobs.c.id).where(*same)).first() is not None


def requeue_lost_deliveries(connection: Connection, now: float) -> int:
    """Make deliveries with an expired lease due again, or give them up after 12 attempts; the number of these."""
    lost = (
        select(jobs.c.id, jobs.c.delivery_attempts, jobs.c.delivery_worker)
        .where(_DUE, jobs.c.delivery_lease < now)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(lost).all()
    for job_id, attempts, worker in rows:
        change: dict[str, Any] = {**_UNCLAIMED, "delivery_error": f"the worker died during attempt {attempts}"}
        if attempts < _MOST_ATTEMPTS:
            change["delivery_next"] = now + wait_after(attempts)
        else:
            change |= {"delivery": DeliveryState.FAILED, "delivery_next": None}
            record_delivery(connection, job_id, now, DeliveryState.FAILED, worker)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(change))
    return len(rows)


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The condition that the claim still holds the row."""
    return (jobs.c.id == claim.job.id, jobs.c.delivery_token == claim.token, _DUE)
