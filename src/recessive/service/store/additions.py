"""Jobs that come in. What has to be asked of the database is asked once for all that come together."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select

from recessive.service.store.job import Busy, Job, JobState, NewJob
from recessive.service.store.keys import Key
from recessive.service.store.limits import Room
from recessive.service.store.rows import WHOLE, job_of, stored_owner, write_all_down
from recessive.service.store.tables import jobs, storable

_APART = 1e-6  # s between jobs that come together: they keep their order


def add(
    connection: Connection, now: float, asked: Sequence[tuple[NewJob, Key | None]], room: Room
) -> list[tuple[Job, bool] | Busy]:
    """Add jobs, in a transaction during which nobody else does.

    Returns:
        For each, in order: its job and True, also when it has been added before; the job of the same request and False;
        or why there is no room.
    """
    before = _before(connection, [new for new, _ in asked])
    known: dict[tuple[str, ...], NewJob] = {name: job for job in before for name in _names(job)}
    fresh: list[NewJob] = []
    chosen: list[NewJob | Busy] = []
    for new, key in asked:
        names = _names(new)
        same = next((known[name] for name in names if name in known), None)
        if same is None:
            try:
                room.take(key)
            except Busy as busy:
                chosen.append(busy)
                continue
            known |= dict.fromkeys(names, new)
            fresh.append(new)
        chosen.append(same or new)
    room.keep()
    stored = {job.id: job for job in [*before, *_insert(connection, now, fresh)]}
    return [
        one if isinstance(one, Busy) else (stored[one.id], one.id == new.id)
        for one, (new, _) in zip(chosen, asked, strict=True)
    ]


def _names(job: NewJob) -> list[tuple[str, ...]]:
    """What a job is found again by."""
    owner = stored_owner(job.owner)
    return [("id", owner, job.id), *([("request", owner, storable(job.idempotency))] if job.idempotency else [])]


def _before(connection: Connection, news: Sequence[NewJob]) -> list[Job]:
    """Those that have been added already, and jobs of the same requests."""
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
    write_all_down(connection, [new.id for new in news], now, JobState.WAITING, None)
    return [job_of(row) for row in rows]
