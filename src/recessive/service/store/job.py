"""What a job is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """How far a job has come; the last three are final."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    """How far the delivery of a protected photo has come; all but the first are final."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    HELD = "held"
    FAILED = "failed"


@dataclass(frozen=True)
class NewJob:
    """A photo that has been accepted, and what is asked for it.

    Attributes:
        id: names the job; nobody can guess it.
        owner: id of the key that it came with; None when nobody needed a key.
        name: of the file, as the client called it, cleaned.
        format: of the photo, such as JPEG.
        bytes: of the file.
        width: of the photo in pixels, as stored.
        height: likewise.
        original: name of the file in the folder of originals.
        options: `JobOptions` as JSON.
        deliver_to: where the photo goes once it passes the audit.
        idempotency: what the owner calls this request, so that sending it again makes no second job.
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
    """A job as the database knows it. Times are seconds since the epoch.

    Attributes:
        state: how far it is.
        progress: of the attempt that runs, from 0 to 1.
        attempts: how often a worker took it; one that put it back in good order does not count.
        created: when it was accepted.
        started: when the present or last attempt began; None while it waits.
        finished: when it came to its final state.
        expires: when it goes, with its files; None while it waits or runs.
        error: one line that says why it failed.
        report: the `ProtectReport` as JSON.
        insight: the `Insight` as JSON.
        result: path of the protected photo below the folder of results.
        sheet: path of the contact sheet, likewise.
        worker: who runs it, or ran it last.
        delivery: how far the delivery is; None when there is none, or not yet.
        delivery_attempts: how often a worker tried.
        delivery_next: when the next try is due.
        delivery_error: one line that says why it is held, or what went wrong at the last try.
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
    """A job that a worker has taken, to run or to deliver it.

    Attributes:
        job: as it was when it was taken.
        token: 32 hexadecimal digits; the claim is worth something only while the job's row has the same.
    """

    job: Job
    token: str


class Busy(Exception):  # noqa: N818 (an answer rather than an error)
    """There is no room for a job now; the message says which limit is reached.

    Attributes:
        retry_after: seconds after which it is worth trying again.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(Busy):
    """As many jobs wait as may."""


class QuotaSpent(Busy):
    """The key has had what it may have."""
