"""Jobs: their states, their data, and how both map to rows of the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert

from recessive.service.store.tables import history, jobs


class JobState(StrEnum):
    """The state of a job; the last three are final."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (JobState.WAITING, JobState.RUNNING)
"""States that are not final."""


class DeliveryState(StrEnum):
    """The state of the delivery of a protected photo; all but the first are final."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True)
class NewJob:
    """An accepted photo and the options it was sent with.

    Attributes:
        id: the random identifier of the job, which nobody can guess.
        owner: the id of the key that the photo was sent with; None if no key was needed.
        name: the file name given by the client, cleaned.
        format: the format of the photo, such as JPEG.
        bytes: the size of the file.
        width: the width of the photo in pixels, as stored.
        height: the height of the photo in pixels, as stored.
        original: the name of the file in the folder of originals.
        options: `JobOptions` as JSON.
        deliver_to: the target that the photo is delivered to once it passes the audit.
        idempotency: the client's name for the request; sending the request again creates no second job.
    """

    id: str
    owner: str | None
    name: str
    format: str
    bytes: int
    width: int
    height: int
    original: str
    options: dict[str, Any]
    deliver_to: str | None = None
    idempotency: str | None = None


@dataclass(frozen=True, kw_only=True)
class Job(NewJob):
    """A job as stored in the database. Times are seconds since the epoch.

    Attributes:
        state: the state of the job.
        progress: the progress of the current attempt, from 0 to 1.
        attempts: the number of times a worker has claimed the job, without the times it was released in good order.
        created: when the job was accepted.
        started: when the current or last attempt began; None while the job waits.
        finished: when the job reached its final state.
        expires: when the job is removed with its files; None while it waits or runs.
        error: why the job failed, in one line.
        report: the `ProtectReport` as JSON.
        insight: the `Insight` as JSON.
        result: the path of the protected photo below the folder of results.
        sheet: the path of the contact sheet below the folder of results.
        worker: the name of the worker that runs the job or ran it last.
        delivery: the state of the delivery; None if there is none, or not yet.
        delivery_attempts: the number of delivery attempts.
        delivery_next: when the next delivery attempt is due.
        delivery_error: why the delivery is held, or why the last attempt failed, in one line.
        delivered: when the photo was delivered.
    """

    state: JobState
    progress: float
    attempts: int
    created: float
    started: float | None
    finished: float | None
    expires: float | None
    error: str | None
    report: dict[str, Any] | None
    insight: dict[str, Any] | None
    result: str | None
    sheet: str | None
    worker: str | None
    delivery: DeliveryState | None
    delivery_attempts: int
    delivery_next: float | None
    delivery_error: str | None
    delivered: float | None


@dataclass(frozen=True)
class Claim:
    """A job that a worker has claimed, to run or to deliver it.

    Attributes:
        job: the job as it was when it was claimed.
        token: 32 hexadecimal digits; the claim is valid only while the job's row has the same token.
    """

    job: Job
    token: str


WHOLE = [jobs.c[field.name] for field in fields(Job)]
"""The columns of a `Job`."""

BRIEF = [column for column in WHOLE if column is not jobs.c.insight]
"""The same columns without `insight`, which is large."""


def job_of(row: Row[Any]) -> Job:
    """The job of a row with the columns `WHOLE` or `BRIEF`."""
    values = {"insight": None, **row._mapping}  # noqa: SLF001 (public, though it does not look so)
    values["owner"] = values["owner"] or None
    values["state"] = JobState(values["state"])
    values["delivery"] = values["delivery"] and DeliveryState(values["delivery"])
    return Job(**values)


def stored_owner(owner: str | None) -> str:
    """The owner as stored: empty instead of None, since NULL differs from itself."""
    return owner or ""


def owned_by(job_id: str, owner: str | None) -> tuple[ColumnElement[bool], ...]:
    """The condition that a row is this job and belongs to this owner."""
    return (jobs.c.id == job_id, jobs.c.owner == stored_owner(owner))


def record_history(connection: Connection, ids: Iterable[str], at: float, state: str, worker: str | None) -> None:
    """Add the same entry to the history of each of these jobs, in the transaction that changes them."""
    connection.execute(insert(history), [{"job": name, "at": at, "state": state, "worker": worker} for name in ids])


def record_delivery(connection: Connection, job_id: str, at: float, state: DeliveryState, worker: str | None) -> None:
    """Add the outcome of a delivery to the history of its job."""
    record_history(connection, [job_id], at, f"delivery {state}", worker)
