"""How many jobs there may be."""

from __future__ import annotations

import math
from collections import Counter

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from recessive.service.store.job import JobState, QueueFull, QuotaSpent
from recessive.service.store.keys import Key
from recessive.service.store.tables import accepted, jobs

_DAY = 86_400.0  # s
_SOON = 5  # s in which a place in the queue may come free


class Room:
    """The room for jobs, within a transaction; exact for as long as no other adds any.

    What there is already is counted once, when it is first asked for.

    Args:
        connection: in its transaction.
        now: the database's time.
        queue: jobs that may wait.
    """

    def __init__(self, connection: Connection, now: float, queue: int) -> None:
        self._connection, self._now, self._queue = connection, now, queue
        self._there: dict[tuple[str, str], int] = {}
        self._taken: Counter[str] = Counter()  # by key
        self._count_for_the_day: list[str] = []

    def check(self, key: Key | None) -> None:
        """Whether there is room for one more job.

        Raises:
            QueueFull: as many jobs wait as may.
            QuotaSpent: the key has had what it may have.
        """
        waiting = self._counted("waiting", "", jobs.c.state == JobState.WAITING)
        if waiting + self._taken.total() >= self._queue:
            raise QueueFull(f"the queue is full (jobs waiting: {self._queue}); try again in a few seconds", _SOON)
        if key is None:
            return
        taken = self._taken[key.id]
        if key.waiting is not None:
            unfinished = jobs.c.state.in_([JobState.WAITING, JobState.RUNNING])
            if self._counted("unfinished", key.id, jobs.c.owner == key.id, unfinished) + taken >= key.waiting:
                limit = f"this key may have no more jobs at once (limit: {key.waiting})"
                raise QuotaSpent(f"{limit}; try again when one is done", _SOON)
        if key.per_day is not None:
            within = (accepted.c.owner == key.id, accepted.c.at > self._now - _DAY)
            if self._counted("within a day", key.id, *within) + taken >= key.per_day:
                wait = max(1, math.ceil(self._counts_until(key.per_day - taken, within) - self._now))
                limit = f"this key may have no more jobs in 24 hours (limit: {key.per_day})"
                raise QuotaSpent(f"{limit}; try again in {wait} s", wait)

    def take(self, key: Key | None) -> None:
        """Take a place for a job.

        Raises:
            Busy: as for `check`.
        """
        self.check(key)
        self._taken["" if key is None else key.id] += 1
        if key is not None and key.per_day is not None:
            self._count_for_the_day.append(key.id)

    def keep(self) -> None:
        """Let the places that were taken count for the day."""
        if self._count_for_the_day:
            values = [{"owner": owner, "at": self._now} for owner in self._count_for_the_day]
            self._connection.execute(insert(accepted), values)

    def _counted(self, what: str, owner: str, *conditions: ColumnElement[bool]) -> int:
        """What there was at the first question."""
        if (what, owner) not in self._there:
            counting = select(func.count()).where(*conditions)
            self._there[what, owner] = self._connection.scalar(counting) or 0
        return self._there[what, owner]

    def _counts_until(self, number: int, within: tuple[ColumnElement[bool], ...]) -> float:
        """When the oldest of the so many newest counts no more."""
        last = None
        if number > 0:
            newest = select(accepted.c.at).where(*within).order_by(accepted.c.at.desc())
            last = self._connection.scalar(newest.offset(number - 1).limit(1))
        return (self._now if last is None else last) + _DAY


def forget_accepted(connection: Connection, now: float) -> None:
    """Drop what counts for no day any more."""
    connection.execute(delete(accepted).where(accepted.c.at <= now - _DAY))
