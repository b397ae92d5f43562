"""The shapes of the API's JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from recessive.service.http.problems import OptionError
from recessive.service.store.job import DeliveryState, JobState
from recessive.service.store.job import Job as StoredJob

ID = "[0-9a-f]{32}"
_EXAMPLES = ["2026-11-22T02:00:00.123Z"]
Time = Annotated[str, Field(description="In UTC.", examples=_EXAMPLES, json_schema_extra={"format": "date-time"})]


class Photo(BaseModel):
    """The photo as it was sent."""

    format: str = Field(description="The format of its content, whatever its name says.", examples=["JPEG"])
    bytes: int = Field(ge=1)
    width: int = Field(
        ge=1, description="The width in pixels: as stored until the job is done, then with its orientation applied."
    )
    height: int = Field(ge=1)


class Delivery(BaseModel):
    """The delivery of the protected photo."""

    to: str = Field(examples=["https://photos.example/in"])
    state: DeliveryState | None = Field(
        description="`held` if the photo did not pass the audit, as `error` explains; null before it is protected."
    )
    attempts: int = Field(ge=0)
    error: str | None
    next: Time | None = Field(description="When the next attempt is due.")


class Links(BaseModel):
    """The paths of everything that belongs to the job."""

    self: str
    events: str
    photo: str
    report: str
    insight: str
    contact_sheet: str
    cancel: str


class Job(BaseModel):
    """A photo and what becomes of it."""

    id: str = Field(pattern=f"^{ID}$")
    name: str = Field(description="The file name of the photo.", examples=["beach.jpg"])
    state: JobState
    progress: float = Field(ge=0, le=1)
    attempts: int = Field(ge=0, description="The number of times a worker has taken the job.")
    created: Time
    started: Time | None
    finished: Time | None
    expires: Time | None = Field(description="When the job is removed with its files.")
    photo: Photo
    options: dict[str, Any] = Field(description="The options that were sent with the photo, and defaults.")
    verdict: str | None = Field(description="The result of the audit in plain words.")
    hidden: bool | None = Field(description="Whether no encoder that it was optimised against finds the photo.")
    hidden_unseen: bool | None = Field(description="Whether no other encoder finds it either.")
    ssim: float | None = Field(description="The similarity of the two photos, at most 1.")
    seconds: float | None = Field(description="The time that the protection took.")
    error: str | None = Field(description="Why the job failed.")
    delivery: Delivery | None
    links: Links


class Jobs(BaseModel):
    """A page of a list of jobs, newest first."""

    jobs: list[Job]
    next: str | None = Field(description="The value of `before` for the jobs that follow; null if there are none.")


class Problem(BaseModel):
    """Problem details for HTTP APIs (RFC 9457)."""

    type: str = Field(description="The kind of problem, for programs.", examples=["urn:recessive:problem:queue-full"])
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What is wrong, and what to do about it.")
    instance: str = Field(description="The path of the request.")
    errors: list[OptionError] = Field(default=[], description="What is wrong with each invalid option.")


class Method(BaseModel):
    """A way to protect photos."""

    name: str
    summary: str
    paper: str
    departures: str = Field(description="Departures from the paper.")
    accepts: list[str] = Field(description="The kinds of encoders that it works on.")
    needs: list[str]
    defaults: dict[str, Any]


class Encoder(BaseModel):
    """An encoder, or a search without a network."""

    name: str
    kind: Literal["encoder", "search"] = Field(description="`search`: without a network; part of every audit.")
    outputs: str | None = Field(description="What an encoder returns: descriptor or logits.")
    dim: int | None
    seen: bool = Field(description="Whether photos are optimised against it if no encoder is named.")


class Methods(BaseModel):
    """The available methods."""

    methods: list[Method]


class Encoders(BaseModel):
    """The available encoders and searches."""

    encoders: list[Encoder]


class Limits(BaseModel):
    """The limits of the service."""

    max_bytes: int
    max_pixels: int
    formats: list[str]
    keep_hours: float
    checks: list[str] = Field(description="Transforms for `check` and `survive`, each with a common figure.")
    max_steps: int
    max_grid: int
    max_transforms: int = Field(description="The largest number of transforms in `survive`, and in `check`.")
    key_needed: bool
    delivers: bool = Field(description="Whether `deliver-to` may be used.")


class Health(BaseModel):
    """Whether the service works."""

    status: Literal["ok", "no workers", "no database"]
    database: bool = Field(description="Whether the database is available.")
    workers: int | None = Field(description="The number of workers seen within the last 30 s.")
    waiting: int | None = Field(description="The number of waiting jobs.")
    running: int | None = Field(description="The number of running jobs.")


def job_shape(job: StoredJob) -> Job:
    """A job as clients see it."""
    at = f"/v1/jobs/{job.id}"
    report = job.report or {}
    delivery = None
    if job.deliver_to is not None:
        delivery = Delivery(
            to=job.deliver_to,
            state=job.delivery,
            attempts=job.delivery_attempts,
            error=job.delivery_error,
            next=_time_or_none(job.delivery_next),
        )
    return Job(
        id=job.id,
        name=job.name,
        state=job.state,
        progress=job.progress,
        attempts=job.attempts,
        created=_time(job.created),
        started=_time_or_none(job.started),
        finished=_time_or_none(job.finished),
        expires=_time_or_none(job.expires),
        photo=Photo(
            format=job.format,
            bytes=job.bytes,
            width=report.get("width", job.width),
            height=report.get("height", job.height),
        ),
        options=job.options,
        **{name: report.get(name) for name in ("verdict", "hidden", "hidden_unseen", "ssim", "seconds")},
        error=job.error,
        delivery=delivery,
        links=Links(
            self=at, **{name: f"{at}/{name.replace('_', '-')}" for name in Links.model_fields if name != "self"}
        ),
    )


def _time(seconds: float) -> str:
    """Seconds since the epoch in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time_or_none(seconds: float | None) -> str | None:
    return None if seconds is None else _time(seconds)
