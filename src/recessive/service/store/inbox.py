"""The inbox: jobs are accepted from clients, within quotas and once for each request, cancelled and deleted."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from recessive.service.store.database import Database
from recessive.service.store.job import (
    ACTIVE,
    WHOLE,
    Job,
    JobState,
    NewJob,
    job_of,
    owned_by,
    record_history,
    stored_owner,
)
from recessive.service.store.keys import Key
from recessive.service.store.tables import accepted, jobs, storable

DAY = 86_400.0
"""Seconds for which an accepted job counts towards the daily quota of its key."""

_LARGEST_BATCH = 50  # jobs in a transaction: other writers wait for it
_APART = 1e-6  # seconds between the creation times of jobs in one transaction, which keep their order
_CANCELLED_STAYS = 3_600.0  # seconds until a cancelled job expires
_RETRY_SOON = 5  # seconds in which a place in the queue may become free


class Busy(Exception):  # noqa: N818 (an answer rather than an error)
    """No job can be accepted now; the message says which limit is reached.

    Attributes:
        retry_after: seconds after which it is worth trying again.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(Busy):
    """The queue holds as many waiting jobs as allowed."""


class QuotaSpent(Busy):
    """The quota of the key is used up."""


class Inbox:
    """Accepts, cancels and deletes jobs. Threads may share the object; `add` belongs to one event loop.

    Args:
        database: the database, with its tables up to date.
        queue: the number of jobs that may wait. A job that returns to the queue always has room.

    Raises:
        DatabaseError: from each call, if the database cannot be used. The change may then have been made or not; adding
            the same job again is safe.
    """

    def __init__(self, database: Database, *, queue: int = 1_000) -> None:
        self._database, self._queue = database, queue
        self._pending: list[tuple[NewJob, Key | None, asyncio.Future[tuple[Job, bool]]]] = []
        self._committing: asyncio.Task[None] | None = None

    def check_quotas(self, key: Key | None) -> None:
        """Check whether a job would be accepted now; `add` checks again.

        Raises:
            Busy: if it would not.
        """
        with self._database.read() as connection:
            Quotas(connection, self._database.now(connection), self._queue).check(key)

    async def add(self, new: NewJob, key: Key | None) -> tuple[Job, bool]:
        """Accept a job: it is on the disk when this returns.

        Concurrent calls are committed together: alone, each would wait for its turn to write and for the disk, and
        so for all calls before it.

        Returns:
            The job and True, also if it has been added before; or, if the owner has added another job with the same
            `idempotency`, that job and False.

        Raises:
            Busy: if the queue is full or the quota of the key used up; no number of concurrent calls exceeds a limit.
        """
        outcome: asyncio.Future[tuple[Job, bool]] = asyncio.get_running_loop().create_future()
        self._pending.append((new, key, outcome))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit_pending())
        return await outcome

    async def _commit_pending(self) -> None:
        """Add pending jobs, a batch a transaction, until none is left."""
        while self._pending:
            batch, self._pending = self._pending[:_LARGEST_BATCH], self._pending[_LARGEST_BATCH:]
            outcomes: Sequence[tuple[Job, bool] | Exception]
            try:
                outcomes = await asyncio.to_thread(self.add_batch, [(new, key) for new, key, _ in batch])
            except Exception as error:  # noqa: BLE001 - each caller gets it
                outcomes = [error] * len(batch)
            for (_, _, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():  # the caller is gone
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
        self._committing = None

    def add_batch(self, requests: Sequence[tuple[NewJob, Key | None]]) -> Sequence[tuple[Job, bool] | Busy]:
        """Accept jobs in one transaction, as if one after another: for each, what `add` returns or raises.

        The number of statements does not depend on the number of jobs.
        """
        with self._database.begin() as connection:
            self._database.lock(connection, "add")
            now = self._database.now(connection)
            quotas = Quotas(connection, now, self._queue)
            before = _added_before(connection, [new for new, _ in requests])
            known: dict[tuple[str, ...], NewJob] = {name: job for job in before for name in _names(job)}
            fresh: list[NewJob] = []
            chosen: list[NewJob | Busy] = []
            for new, key in requests:
                names = _names(new)
                same = next((known[name] for name in names if name in known), None)
                if same is None:
                    try:
                        quotas.take(key)
                    except Busy as busy:
                        chosen.append(busy)
                        continue
                    known |= dict.fromkeys(names, new)
                    fresh.append(new)
                chosen.append(same or new)
            quotas.save()
            stored = {job.id: job for job in [*before, *_insert(connection, now, fresh)]}
            return [
                one if isinstance(one, Busy) else (stored[one.id], one.id == new.id)
                for one, (new, _) in zip(chosen, requests, strict=True)
            ]

    def cancel(self, job_id: str, owner: str | None) -> Job | None:
        """Cancel a job that waits or runs; it expires in an hour. A job in a final state stays as it is.

        Returns:
            The job as it is now; None if the owner has no such job.
        """
        with self._database.begin() as connection:
            now = self._database.now(connection)
            values = {"state": JobState.CANCELLED, "finished": now, "expires": now + _CANCELLED_STAYS}
            active = (*owned_by(job_id, owner), jobs.c.state.in_(ACTIVE))
            ended = update(jobs).where(*active).values(**values, token=None, lease=None)
            if connection.execute(ended).rowcount == 1:
                record_history(connection, [job_id], now, JobState.CANCELLED, None)
            row = connection.execute(select(*WHOLE).where(*owned_by(job_id, owner))).first()
        return None if row is None else job_of(row)

    def delete(self, job_id: str, owner: str | None) -> Job | None:
        """Delete a job and its history.

        Returns:
            The job as it was, so that its files can be removed; None if the owner has no such job.
        """
        with self._database.begin() as connection:
            row = connection.execute(delete(jobs).where(*owned_by(job_id, owner)).returning(*WHOLE)).first()
        return None if row is None else job_of(row)


def _names(job: NewJob) -> list[tuple[str, ...]]:
    """What identifies a job that is added again: its id, and the owner's name for the request."""
    owner = stored_owner(job.owner)
    return [("id", owner, job.id), *([("request", owner, storable(job.idempotency))] if job.idempotency else [])]


def _added_before(connection: Connection, news: Sequence[NewJob]) -> list[Job]:
    """The jobs that have been added before, and the jobs of the same requests."""
    same: ColumnElement[bool] = jobs.c.id.in_([new.id for new in news])
    requests = {new.idempotency for new in news} - {None}
    if requests:
        owners = {stored_owner(new.owner) for new in news}
        same = or_(same, and_(jobs.c.owner.in_(owners), jobs.c.idempotency.in_(requests)))
    return [job_of(row) for row in connection.execute(select(*WHOLE).where(same))]


def _insert(connection: Connection, now: float, news: Sequence[NewJob]) -> list[Job]:
    if not news:
        return []
    same = {"state": JobState.WAITING, "ready": now}
    values = [
        {**vars(new), **same, "owner": stored_owner(new.owner), "created": now + place * _APART}
        for place, new in enumerate(news)
    ]
    rows = connection.execute(insert(jobs).returning(*WHOLE), values).all()
    record_history(connection, [new.id for new in news], now, JobState.WAITING, None)
    return [job_of(row) for row in rows]


class Quotas:
    """The limits on new jobs, within a transaction; exact while no other transaction adds jobs.

    Existing jobs are counted once, when a count is first needed.

    Args:
        connection: a connection in its transaction.
        now: the database's time.
        queue: the number of jobs that may wait.
    """

    def __init__(self, connection: Connection, now: float, queue: int) -> None:
        self._connection, self._now, self._queue = connection, now, queue
        self._counts: dict[tuple[str, str], int] = {}
        self._taken: Counter[str] = Counter()  # by key
        self._daily: list[str] = []  # keys with a daily quota, one for each place taken

    def check(self, key: Key | None) -> None:
        """Check whether one more job may be accepted.

        Raises:
            Busy: if it may not.
        """
        waiting = self._count("waiting", "", jobs.c.state == JobState.WAITING)
        if waiting + self._taken.total() >= self._queue:
            raise QueueFull(f"the queue is full (waiting jobs: {self._queue}); try again in a few seconds", _RETRY_SOON)
        if key is None:
            return
        taken = self._taken[key.id]
        if key.waiting is not None:
            active = self._count("active", key.id, jobs.c.owner == key.id, jobs.c.state.in_(ACTIVE))
            if active + taken >= key.waiting:
                limit = f"this key may have no more jobs at once (limit: {key.waiting})"
                raise QuotaSpent(f"{limit}; try again when one is done", _RETRY_SOON)
        if key.per_day is not None:
            within = (accepted.c.owner == key.id, accepted.c.at > self._now - DAY)
            if self._count("within a day", key.id, *within) + taken >= key.per_day:
                wait = max(1, math.ceil(self._counts_until(key.per_day - taken, within) - self._now))
                limit = f"this key may send no more jobs within 24 hours (limit: {key.per_day})"
                raise QuotaSpent(f"{limit}; try again in {wait} s", wait)

    def take(self, key: Key | None) -> None:
        """Take a place for a job.

        Raises:
            Busy: as for `check`.
        """
        self.check(key)
        self._taken["" if key is None else key.id] += 1
        if key is not None and key.per_day is not None:
            self._daily.append(key.id)

    def save(self) -> None:
        """Record the places taken, so that they count towards daily quotas."""
        if self._daily:
            self._connection.execute(insert(accepted), [{"owner": owner, "at": self._now} for owner in self._daily])

    def _count(self, what: str, owner: str, *conditions: ColumnElement[bool]) -> int:
        if (what, owner) not in self._counts:
            counting = select(func.count()).where(*conditions)
            self._counts[what, owner] = self._connection.scalar(counting) or 0
        return self._counts[what, owner]

    def _counts_until(self, number: int, within: tuple[ColumnElement[bool], ...]) -> float:
        """When the oldest of the newest `number` jobs ceases to count."""
        last = None
        if number > 0:
            newest = select(accepted.c.at).where(*within).order_by(accepted.c.at.desc())
            last = self._connection.scalar(newest.offset(number - 1).limit(1))
        return (self._now if last is None else last) + DAY
