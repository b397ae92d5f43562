"""What routes are given: the objects of the service, the key of the request, and the job that it is about."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recessive.options import ServiceOptions
from recessive.service.http.access import KEY, Authenticator
from recessive.service.http.api.shapes import ID
from recessive.service.http.events import Watcher
from recessive.service.http.metrics import Metrics
from recessive.service.http.problems import Problem
from recessive.service.http.short_cache import ShortCache
from recessive.service.store.inbox import Inbox
from recessive.service.store.job import Job
from recessive.service.store.keys import Key
from recessive.service.store.reading import JobReader
from recessive.service.store.storage import Storage


@dataclass(frozen=True)
class Dependencies:
    """The objects that routes use.

    Attributes:
        settings: the settings that the service was started with.
        inbox: accepts, cancels and deletes jobs.
        reader: reads jobs.
        storage: the folder with their files.
        watcher: tells of changes of jobs.
        metrics: counts requests and uploads.
        authenticator: knows whether requests need a key.
        quotas_checked: by owner, whether the quotas have just allowed a job.
    """

    settings: ServiceOptions
    inbox: Inbox
    reader: JobReader
    storage: Storage
    watcher: Watcher
    metrics: Metrics
    authenticator: Authenticator
    quotas_checked: ShortCache[None]


# Dependencies are coroutines: FastAPI would run ordinary functions in a thread each.
async def _dependencies(request: Request) -> Dependencies:
    dependencies: Dependencies = request.app.state.dependencies
    return dependencies


async def _key(request: Request) -> Key | None:
    key: Key | None = request.scope[KEY]
    return key


Service = Annotated[Dependencies, Depends(_dependencies)]
Caller = Annotated[Key | None, Depends(_key)]
JobId = Annotated[str, Path(description="The id of the job.", json_schema_extra={"pattern": f"^{ID}$"})]


def owner_of(key: Key | None) -> str | None:
    """The owner of the jobs that are sent with a key."""
    return None if key is None else key.id


def no_job() -> Problem:
    """404, also for the jobs of other owners, whose existence is not revealed."""
    return Problem(404, "this job does not exist, or no longer exists", "no-such-job", "No such job")


async def checked_id(job_id: JobId) -> str:
    """A well-formed id, or else 404."""
    if not re.fullmatch(ID, job_id):
        raise no_job()
    return job_id


CheckedId = Annotated[str, Depends(checked_id)]


async def own_job(job_id: CheckedId, service: Service, key: Caller) -> Job:
    """A job of the caller, or else 404."""
    job = await run_in_threadpool(service.reader.get, job_id, owner_of(key))
    if job is None:
        raise no_job()
    return job


OwnJob = Annotated[Job, Depends(own_job)]


def json_response(shape: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A response with a shape as JSON."""
    return Response(shape.model_dump_json(), status, headers, "application/json")
