"""Rows of the table of jobs: whose they are, the jobs that they hold, and the history of each change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert

from recessive.service.store.job import DeliveryState, Job, JobState
from recessive.service.store.tables import history, jobs

WHOLE = [jobs.c[field.name] for field in fields(Job)]
BRIEF = [column for column in WHOLE if column is not jobs.c.insight]


def stored_owner(owner: str | None) -> str:
    """As the column has it: it may not be NULL."""
    return owner or ""


def of_owner(job_id: str, owner: str | None) -> tuple[ColumnElement[bool], ...]:
    """That a row is the job of that name and that owner."""
    return (jobs.c.id == job_id, jobs.c.owner == stored_owner(owner))


def job_of(row: Row[Any]) -> Job:
    """The job of a row that has the columns `WHOLE`, or `BRIEF`, without insight."""
    values = {"insight": None, **row._mapping}  # noqa: SLF001 (public, though it does not look so)
    values["owner"] = values["owner"] or None
    values["state"] = JobState(values["state"])
    values["delivery"] = values["delivery"] and DeliveryState(values["delivery"])
    return Job(**values)


def write_down(connection: Connection, job_id: str, at: float, state: str, worker: str | None) -> None:
    """Add to a job's history, in the transaction that changes it."""
    write_all_down(connection, [job_id], at, state, worker)


def write_all_down(connection: Connection, ids: Iterable[str], at: float, state: str, worker: str | None) -> None:
    """The same for jobs to which the same happens."""
    connection.execute(insert(history), [{"job": name, "at": at, "state": state, "worker": worker} for name in ids])


def write_delivery_down(
    connection: Connection, job_id: str, at: float, state: DeliveryState, worker: str | None
) -> None:
    """The same for what becomes of its delivery."""
    write_down(connection, job_id, at, f"delivery {state}", worker)
