"""What routes are given: the parts of the service, who asks, and the job that is asked about."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recessive.service.http.access import KEY, Lock
from recessive.service.http.adding import Adder
from recessive.service.http.api.shapes import ID
from recessive.service.http.events import Watcher
from recessive.service.http.metrics import Metrics
from recessive.service.http.problems import Problem
from recessive.service.http.recent import Recent
from recessive.service.settings import ServiceSettings
from recessive.service.store.jobs import Job, Jobs
from recessive.service.store.keys import Key
from recessive.service.store.storage import Storage


@dataclass(frozen=True)
class Parts:
    """The service, as the routes see it.

    Attributes:
        settings: it was started with.
        jobs: there are.
        adder: makes more of them.
        storage: where their files lie.
        watcher: tells of changes of jobs.
        metrics: counts.
        lock: knows whether requests need a key.
        room: whether there was room for a job of an owner just now.
    """

    settings: ServiceSettings
    jobs: Jobs
    adder: Adder
    storage: Storage
    watcher: Watcher
    metrics: Metrics
    lock: Lock
    room: Recent[None]


# Dependencies are coroutines: FastAPI gives ordinary functions a thread each.
async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


async def _key(request: Request) -> Key | None:
    key: Key | None = request.scope[KEY]
    return key


Service = Annotated[Parts, Depends(_parts)]
Caller = Annotated[Key | None, Depends(_key)]
JobId = Annotated[str, Path(description="of the job", json_schema_extra={"pattern": f"^{ID}$"})]


def owner_of(key: Key | None) -> str | None:
    """Whose jobs those are that come with a key."""
    return None if key is None else key.id


def no_job() -> Problem:
    """404, also for the jobs of others: whether there are any is not told."""
    return Problem(404, "there is no such job, or not any more", "no-such-job", "No such job")


async def checked_id(job_id: JobId) -> str:
    """An id that could be one.

    Raises:
        Problem: 404.
    """
    if not re.fullmatch(ID, job_id):
        raise no_job()
    return job_id


CheckedId = Annotated[str, Depends(checked_id)]


async def own_job(job_id: CheckedId, service: Service, key: Caller) -> Job:
    """The job, of whoever asks.

    Raises:
        Problem: 404.
    """
    job = await run_in_threadpool(service.jobs.get, job_id, owner_of(key))
    if job is None:
        raise no_job()
    return job


OwnJob = Annotated[Job, Depends(own_job)]


def shown(shape: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response of that JSON."""
    return Response(shape.model_dump_json(), status, headers, "application/json")
