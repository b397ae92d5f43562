"""How many jobs there may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from recessive.service.store.job import JobState, QueueFull, QuotaSpent
from recessive.service.store.tables import accepted, jobs

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from recessive.service.store.keys import Key

_DAY = 86_400.0  # s
_SOON = 5  # s in which a place in the queue may come free


def refuse_when_full(connection: Connection, now: float, queue: int, key: Key | None) -> None:
    """Whether one more job may be added; exact for as long as nobody else adds one.

    Raises:
        QueueFull: `queue` jobs wait.
        QuotaSpent: the key has had what it may have.
    """
    if _count(connection, jobs.c.state == JobState.WAITING) >= queue:
        raise QueueFull(f"the queue is full (jobs waiting: {queue}); try again in a few seconds", _SOON)
    if key is None:
        return
    unfinished = jobs.c.state.in_([JobState.WAITING, JobState.RUNNING])
    if key.waiting is not None and _count(connection, unfinished, jobs.c.owner == key.id) >= key.waiting:
        limit = f"this key may have no more jobs at once (limit: {key.waiting})"
        raise QuotaSpent(f"{limit}; try again when one is done", _SOON)
    if key.per_day is not None:
        within = select(accepted.c.at).where(accepted.c.owner == key.id, accepted.c.at > now - _DAY)
        last = connection.scalar(within.order_by(accepted.c.at.desc()).offset(key.per_day - 1).limit(1))
        if last is not None:
            wait = max(1, math.ceil(last + _DAY - now))
            limit = f"this key may have no more jobs in 24 hours (limit: {key.per_day})"
            raise QuotaSpent(f"{limit}; try again in {wait} s", wait)


def count_accepted(connection: Connection, now: float, key: Key | None) -> None:
    """Let a job that was added count for the day."""
    if key is not None and key.per_day is not None:
        connection.execute(insert(accepted).values(owner=key.id, at=now))


def forget_accepted(connection: Connection, now: float) -> None:
    """Drop what counts for no day any more."""
    connection.execute(delete(accepted).where(accepted.c.at <= now - _DAY))


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(jobs).where(*conditions)) or 0
