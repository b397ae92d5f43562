"""The jobs of the service, in its database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from recessive.service.store import additions, claims, deliveries
from recessive.service.store.database import Database
from recessive.service.store.job import (
    Busy,
    Claim,
    DeliveryState,
    Job,
    JobState,
    NewJob,
    QueueFull,
    QuotaSpent,
)
from recessive.service.store.job_reader import ALIVE, JobReader
from recessive.service.store.keys import Key
from recessive.service.store.limits import Room, forget_accepted
from recessive.service.store.rows import BRIEF, WHOLE, job_of, of_owner, write_down
from recessive.service.store.tables import jobs, workers

__all__ = ["Busy", "Claim", "DeliveryState", "Job", "JobState", "Jobs", "NewJob", "QueueFull", "QuotaSpent"]

_ACTIVE = (JobState.WAITING, JobState.RUNNING)
_CANCELLED_STAYS = 3_600.0  # s
_EXPIRE, _AT_ONCE = 1_000, 100  # jobs in a call, and in a transaction: writers wait for it
_DELIVERY_LEASES = 4  # leases of a job that a delivery has: nobody extends it


class Jobs(JobReader):
    """What waits, runs and is done. Each call is one transaction; threads may share the object.

    Args:
        database: with its tables up to date.
        queue: jobs that may wait. What comes back to wait again always has room.
        lease: seconds that a claim lasts unless it is kept; that of a delivery lasts four times as long.
        most_attempts: times that workers may die on a job before it fails.

    Raises:
        DatabaseError: from each call, when the database cannot be used. What a call was to change may then have been
            changed or not; `add`, `finish`, `fail` and `delivered` may simply be called again.
    """

    def __init__(self, database: Database, *, queue: int = 1_000, lease: float = 30.0, most_attempts: int = 8) -> None:
        super().__init__(database)
        self._queue = queue
        self._lease = lease
        self._most_attempts = most_attempts

    def check_room(self, key: Key | None) -> None:
        """Whether it makes sense to send a job now; `add` asks again.

        Raises:
            QueueFull: as many jobs wait as may.
            QuotaSpent: the key has had what it may have.
        """
        with self._database.read() as connection:
            Room(connection, self._database.now(connection), self._queue).check(key)

    def add(self, new: NewJob, key: Key | None) -> tuple[Job, bool]:
        """Accept a job: when this returns, it is on the disk.

        Returns:
            The job and True, also when it has been added before; or, when the owner has added another with the same
            `idempotency`, that one and False.

        Raises:
            Busy: as for `check_room`; however many add at once, there are never more than may be.
        """
        (outcome,) = self.add_all([(new, key)])
        if isinstance(outcome, Busy):
            raise outcome
        return outcome

    def add_all(self, asked: Sequence[tuple[NewJob, Key | None]]) -> Sequence[tuple[Job, bool] | Busy]:
        """Accept jobs in one transaction, in their order: for each what `add` returns, or why there is no room."""
        with self._database.begin() as connection:
            self._database.lock(connection, "add")
            now = self._database.now(connection)
            return additions.add(connection, now, asked, Room(connection, now, self._queue))

    def claim(self, worker: str) -> Claim | None:
        """Take the oldest waiting job of the owners of whom the fewest run; None when there is nothing to do.

        A job that a worker died on waits 2, 4, 8, ... s before it can be claimed again.

        Args:
            worker: names whoever takes it.
        """
        with self._database.begin() as connection:
            return claims.take(connection, self._database.now(connection), worker, self._lease)

    def keep(self, claim: Claim, progress: float) -> bool:
        """Extend the lease; False when the job was cancelled, deleted, or given to another: stop then.

        Args:
            claim: what `claim` returned.
            progress: from 0 to 1.
        """
        with self._database.begin() as connection:
            return claims.keep(connection, claim, self._database.now(connection) + self._lease, progress)

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
        """The job is done. False when the claim is lost: the result is not wanted, and nothing changes.

        Args:
            claim: what `claim` returned.
            report: see `Job`.
            insight: likewise.
            result: likewise.
            sheet: likewise.
            expires: likewise.
            delivery: WAITING to have it delivered, HELD if it must not be; None when nobody asked for it.
            delivery_error: why it is held.
        """
        values = {"report": report, "insight": insight, "result": result, "sheet": sheet, "expires": expires}
        with self._database.begin() as connection:
            now = self._database.now(connection)
            if delivery is not None:
                values |= {"delivery": delivery, "delivery_error": delivery_error}
                values["delivery_next"] = now if delivery == DeliveryState.WAITING else None
            return claims.end(connection, claim, now, JobState.DONE, progress=1.0, **values)

    def fail(self, claim: Claim, error: str, *, expires: float) -> bool:
        """The job cannot be done. False when the claim is lost, and nothing changes.

        Args:
            claim: what `claim` returned.
            error: one line.
            expires: see `Job`.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            return claims.end(connection, claim, now, JobState.FAILED, error=error, expires=expires)

    def release(self, claim: Claim) -> bool:
        """Put the job back, as if it had not been claimed. False when the claim is lost."""
        with self._database.begin() as connection:
            return claims.put_back(connection, claim, self._database.now(connection))

    def cancel(self, job_id: str, owner: str | None) -> Job | None:
        """Cancel what waits or runs; it expires in an hour. What has come to its end stays as it is.

        Returns:
            The job as it is now; None when there is none, or it is not this owner's.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            values = {"state": JobState.CANCELLED, "finished": now, "expires": now + _CANCELLED_STAYS}
            active = (*of_owner(job_id, owner), jobs.c.state.in_(_ACTIVE))
            ended = update(jobs).where(*active).values(**values, token=None, lease=None)
            if connection.execute(ended).rowcount == 1:
                write_down(connection, job_id, now, JobState.CANCELLED, None)
            row = connection.execute(select(*WHOLE).where(*of_owner(job_id, owner))).first()
        return None if row is None else job_of(row)

    def delete(self, job_id: str, owner: str | None) -> Job | None:
        """Remove the job and its history.

        Returns:
            The job as it was, so that its files can go; None when there is none, or it is not this owner's.
        """
        with self._database.begin() as connection:
            row = connection.execute(delete(jobs).where(*of_owner(job_id, owner)).returning(*WHOLE)).first()
        return None if row is None else job_of(row)

    def requeue_lost(self) -> int:
        """Take jobs and deliveries from workers that have not kept them; how many these were.

        They wait again, each time for longer, or fail after so many attempts.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            lost = claims.take_from_the_lost(connection, now, self._most_attempts)
            return lost + deliveries.take_deliveries_from_the_lost(connection, now)

    def claim_delivery(self, worker: str) -> Claim | None:
        """Take the delivery that has been due for longest; None when none is due.

        Args:
            worker: names whoever takes it.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            return deliveries.take_delivery(connection, now, worker, self._lease * _DELIVERY_LEASES)

    def delivered(self, claim: Claim) -> bool:
        """The photo has arrived. False when the claim is lost.

        Args:
            claim: what `claim_delivery` returned.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            done = {"delivered": now, "delivery_error": None}
            return deliveries.settle(connection, claim, now, DeliveryState.DELIVERED, **done)

    def delivery_failed(self, claim: Claim, error: str, retry_in: float | None) -> bool:
        """The photo has not arrived. False when the claim is lost.

        Args:
            claim: what `claim_delivery` returned.
            error: one line.
            retry_in: seconds until the next try; None to give it up.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            if retry_in is None:
                return deliveries.settle(connection, claim, now, DeliveryState.FAILED, delivery_error=error)
            return deliveries.try_again(connection, claim, now + retry_in, error)

    def expire(self) -> list[Job]:
        """Remove jobs whose time has come, at most 1,000, and what counts for no quota any more.

        Returns:
            The jobs as they were, without `insight`, so that their files can go.
        """
        gone: list[Job] = []
        while len(gone) < _EXPIRE:
            some = self._expire_some()
            gone += some
            if len(some) < _AT_ONCE:
                break
        return gone

    def _expire_some(self) -> list[Job]:
        with self._database.begin() as connection:
            now = self._database.now(connection)
            forget_accepted(connection, now)
            connection.execute(delete(workers).where(workers.c.seen < now - ALIVE))
            due = (
                select(jobs.c.id)
                .where(
                    jobs.c.expires <= now,
                    jobs.c.state.not_in(_ACTIVE),
                    or_(jobs.c.delivery.is_(None), jobs.c.delivery != DeliveryState.WAITING),
                )
                .order_by(jobs.c.expires)
                .limit(_AT_ONCE)
                .with_for_update(skip_locked=True)
            )
            ids = connection.scalars(due).all()
            rows = connection.execute(delete(jobs).where(jobs.c.id.in_(ids)).returning(*BRIEF)).all()
        return [job_of(row) for row in rows]

    def seen(self, worker: str) -> None:
        """A worker is alive."""
        with self._database.begin() as connection:
            new = (sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert)(workers)
            values = {"name": worker, "seen": self._database.now(connection)}
            connection.execute(new.values(values).on_conflict_do_update(index_elements=["name"], set_=values))
