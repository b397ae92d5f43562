"""Results: the protected photo, its report, and the explanation of its verdict."""

import os
import zipfile
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar, cast

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from recessive.photos import MEDIA_TYPES
from recessive.photos.formats import HEADER, format_of_content
from recessive.reports.insight import Insight
from recessive.service.http.api.dependencies import Caller, Dependencies, OwnJob, Service, no_job, owner_of
from recessive.service.http.api.document import problems
from recessive.service.http.exchange import Stream
from recessive.service.http.problems import Problem
from recessive.service.names import attachment, saved_name, unique_name
from recessive.service.store.job import ACTIVE, Job, JobState
from recessive.workflows import ProtectReport

MOST_ZIPPED = 200
_PIECE = 1 << 18  # bytes read at once

T = TypeVar("T")
router = APIRouter(prefix="/v1", tags=["results"])


class StoredFile(Response):
    """A file that is already open, and is closed at the end: deleting it does not interrupt the response."""

    def __init__(self, file: IO[bytes], media_type: str, name: str) -> None:
        self._file = file
        size = file.seek(0, 2)
        file.seek(0)
        headers = {"Content-Length": str(size), "Content-Disposition": attachment(name)}
        super().__init__(None, headers=headers, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the file."""
        with self._file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while piece := await run_in_threadpool(self._file.read, _PIECE):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _file(description: str, *media_types: str) -> dict[int | str, dict[str, Any]]:
    """The response of a route that sends a file, for the OpenAPI document."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in media_types}
    return {200: {"description": description, "content": content}}


@router.get(
    "/jobs/{job_id}/photo",
    response_class=Response,
    responses=_file("The protected photo, under its own name.", *MEDIA_TYPES.values()) | problems(404, 409, 410),
)
async def get_photo(job: OwnJob, service: Service) -> Response:
    """Fetch the protected photo."""
    file, media_type, name = await run_in_threadpool(_photo, service, job)
    return StoredFile(file, media_type, name)


@router.get("/jobs/{job_id}/report", response_model=ProtectReport, responses=problems(404, 409, 410))
async def get_report(job: OwnJob) -> Response:
    """Fetch the report: what was done to the photo, and what searches find afterwards."""
    return JSONResponse(_of_done(job, job.report))


@router.get("/jobs/{job_id}/insight", response_model=Insight, responses=problems(404, 409, 410))
async def get_insight(job: OwnJob) -> Response:
    """Fetch the insight: what an encoder looks at, and what a search finds, before and after."""
    return JSONResponse(_of_done(job, job.insight))


@router.get(
    "/jobs/{job_id}/contact-sheet",
    response_class=Response,
    responses=_file("A picture that summarises the result.", "image/png") | problems(404, 409, 410),
)
async def get_contact_sheet(job: OwnJob, service: Service) -> Response:
    """Fetch protected photo, difference, heat maps and verdict in one picture."""
    path = service.storage.results / _of_done(job, job.sheet)
    file = await run_in_threadpool(_opened, path)
    return StoredFile(file, "image/png", f"{Path(job.name).stem} contact sheet.png")


@router.get(
    "/photos.zip",
    response_class=Response,
    responses=_file("The photos under their own names, numbered where several have the same.", "application/zip")
    | problems(404, 409, 410, 422),
)
async def get_photos(
    service: Service,
    key: Caller,
    job: Annotated[list[str], Query(min_length=1, max_length=MOST_ZIPPED, description="The ids of the jobs.")],
) -> Response:
    """Fetch several protected photos in one file."""
    if any(len(job_id) != 32 for job_id in job):
        raise no_job()
    ids, owner = list(dict.fromkeys(job)), owner_of(key)
    known = {found.id: found for found in await run_in_threadpool(service.reader.watch, ids) if found.owner == owner}
    if len(known) < len(ids):
        raise no_job()
    jobs = [known[job_id] for job_id in ids]
    for found in jobs:
        _of_done(found, found.result)
    headers = {"Content-Disposition": attachment("protected-photos.zip")}
    return Stream(_zipped(service, jobs), "application/zip", headers)


def _of_done(job: Job, value: T | None) -> T:
    """A result of a job.

    Raises:
        Problem: 409 if the job is not done yet; 410 if it never will be; 404 if it has no such result.
    """
    if job.state in ACTIVE:
        detail = f"the job is {job.state}; follow /v1/jobs/{job.id}/events until it is done"
        raise Problem(409, detail, "not-yet", "Not done yet")
    if job.state != JobState.DONE:
        why = f"the job failed: {job.error}" if job.state == JobState.FAILED else "the job was cancelled"
        raise Problem(410, why, "never", "There will be no result")
    if value is None:
        raise Problem(404, "this job has no such result")
    return value


def _photo(service: Dependencies, job: Job) -> tuple[IO[bytes], str, str]:
    """The protected photo, open, with its media type and its name, which follow from its content."""
    file = _opened(service.storage.results / _of_done(job, job.result))
    format_ = format_of_content(file.read(HEADER))
    if format_ is None:
        file.close()
        raise Problem(410, "the file is damaged; send the photo again", "damaged", "The result is damaged")
    return file, MEDIA_TYPES[format_], saved_name(job.name, format_)


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError:  # deleted or expired since the job was looked up
        raise no_job() from None


async def _zipped(service: Dependencies, jobs: list[Job]) -> AsyncGenerator[bytes]:
    pieces = _zip_pieces(service, jobs)
    try:
        while piece := await run_in_threadpool(next, pieces, b""):
            yield piece
    finally:
        await run_in_threadpool(pieces.close)


def _zip_pieces(service: Dependencies, jobs: list[Job]) -> Generator[bytes]:
    """The pieces of the archive. Photos are stored uncompressed, since compression would not make them smaller."""
    out, taken = _ZipBuffer(), set[str]()
    with zipfile.ZipFile(cast("IO[bytes]", out), "w") as archive:
        for job in jobs:
            try:
                file, _, name = _photo(service, job)
            except Problem:  # deleted meanwhile
                continue
            with file:
                made = datetime.fromtimestamp(job.finished or job.created, UTC)
                entry = zipfile.ZipInfo(unique_name(name, taken), made.timetuple()[:6])
                entry.file_size = os.fstat(file.fileno()).st_size
                file.seek(0)
                with archive.open(entry, "w") as member:
                    while piece := file.read(_PIECE):
                        member.write(piece)
                        yield out.taken()
    yield out.taken()


class _ZipBuffer:
    """A file that is only written to; what was written is taken away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def taken(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data
