"""Jobs: send a photo, follow what becomes of it, cancel and delete."""

import re
import uuid
from collections.abc import AsyncGenerator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from recessive.service.http.api import shapes
from recessive.service.http.api.dependencies import (
    Caller,
    CheckedId,
    OwnJob,
    Service,
    json_response,
    no_job,
    owner_of,
)
from recessive.service.http.api.document import problems
from recessive.service.http.api.options import form_body, job_options
from recessive.service.http.api.shapes import ID, job_shape
from recessive.service.http.events import event
from recessive.service.http.exchange import Stream
from recessive.service.http.problems import OptionError, invalid, problem_of
from recessive.service.http.uploads import JobRequest, PhotoFile, accept, receive
from recessive.service.names import clean_name
from recessive.service.store.job import JobState

_CURSOR = re.compile(rf"([0-9]{{1,11}}(?:\.[0-9]{{1,17}})?)-({ID})")

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post(
    "",
    status_code=202,
    response_model=shapes.Job,
    responses=problems(400, 408, 413, 415, 422, 429, 507),
    openapi_extra={"requestBody": form_body()},
)
async def add_job(
    request: Request,
    service: Service,
    key: Caller,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            pattern="^[!-~]{1,200}$",
            description="A name for this request: sending it again creates no second job.",
        ),
    ] = None,
) -> Response:
    """Send a photo to be protected. The response is sent as soon as the photo is safe on the disk of the service."""
    outcome = "gone"  # the client, or the server
    owner = owner_of(key)
    try:
        await service.quotas_checked.get(owner, partial(service.inbox.check_quotas, key))
        job_id, settings = uuid.uuid4().hex, service.settings
        with PhotoFile(service.storage.incoming / job_id, settings.max_bytes, settings.max_pixels) as photo:
            form = await receive(request, photo)
            name, options = clean_name(form.close()), job_options(form.options, settings)
            wanted = JobRequest(job_id, name, options, key, idempotency_key)
            job = await accept(photo, wanted, service.inbox, service.storage)
        outcome = "accepted"
        service.metrics.bytes.inc(job.bytes)
    except ClientDisconnect:
        raise
    except Exception as error:
        outcome = str(problem_of(error).status)
        service.quotas_checked.forget(owner)
        raise
    finally:
        service.metrics.uploads.labels(outcome).inc()
    return json_response(job_shape(job), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.get("", response_model=shapes.Jobs, responses=problems(422))
async def list_jobs(
    service: Service,
    key: Caller,
    limit: Annotated[int, Query(ge=1, le=200, description="The largest number of jobs.")] = 50,
    before: Annotated[
        str | None,
        Query(
            description="`next` of a list, to get the jobs that follow it.",
            json_schema_extra={"pattern": f"^{_CURSOR.pattern}$"},
        ),
    ] = None,
) -> Response:
    """List the jobs that were sent with your key, newest first."""
    start = None
    if before is not None:
        match = _CURSOR.fullmatch(before)
        if match is None:
            raise invalid(OptionError("before", "is not the `next` of a list"))
        start = (float(match[1]), match[2])
    found = await run_in_threadpool(service.reader.list, owner_of(key), limit + 1, start)
    listed = found[:limit]
    after = f"{listed[-1].created!r}-{listed[-1].id}" if len(found) > limit else None
    return json_response(shapes.Jobs(jobs=[job_shape(job) for job in listed], next=after))


@router.get("/{job_id}", response_model=shapes.Job, responses=problems(404))
async def get_job(job: OwnJob) -> Response:
    """Show one job."""
    return json_response(job_shape(job))


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses={
        200: {
            "description": "An event `job` with the job as JSON, at once and after each change, until it is final.",
            "content": {"text/event-stream": {"example": "event: job\ndata: {…}\n\n"}},
        },
        **problems(404),
    },
)
async def follow_job(job: OwnJob, service: Service) -> Response:
    """Follow a job as server-sent events."""

    async def events() -> AsyncGenerator[bytes]:
        changes = service.watcher.follow(job)
        try:
            async for state in changes:
                yield event(None if state is None else job_shape(state).model_dump_json())
        finally:
            await changes.aclose()

    return Stream(events(), "text/event-stream", {"X-Accel-Buffering": "no"})  # nginx would wait for more


@router.post("/{job_id}/cancel", response_model=shapes.Job, responses=problems(404))
async def cancel_job(job_id: CheckedId, service: Service, key: Caller) -> Response:
    """Cancel a job that waits or runs. A job in a final state stays as it is."""
    job = await run_in_threadpool(service.inbox.cancel, job_id, owner_of(key))
    if job is None:
        raise no_job()
    if job.state == JobState.CANCELLED:
        await run_in_threadpool(service.storage.remove, job)  # a worker that runs it drops it
    return json_response(job_shape(job))


@router.delete("/{job_id}", status_code=204, responses=problems(404))
async def delete_job(job_id: CheckedId, service: Service, key: Caller) -> Response:
    """Delete a job, in whatever state, with all its files."""
    job = await run_in_threadpool(service.inbox.delete, job_id, owner_of(key))
    if job is None:
        raise no_job()
    await run_in_threadpool(service.storage.remove, job)
    return Response(status_code=204)
