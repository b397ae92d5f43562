"""The shapes of the API's JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from recessive.service.store.job import DeliveryState, JobState
from recessive.service.store.job import Job as StoredJob

ID = "[0-9a-f]{32}"
Time = Annotated[
    str, Field(description="in UTC", examples=["2026-11-22T02:00:00.123Z"], json_schema_extra={"format": "date-time"})
]


class Photo(BaseModel):
    """The photo as it was sent."""

    format: str = Field(description="of its content, whatever its name says", examples=["JPEG"])
    bytes: int = Field(ge=1)
    width: int = Field(ge=1, description="in pixels; as stored until it is done, then turned as its camera data says")
    height: int = Field(ge=1)


class Delivery(BaseModel):
    """Where the protected photo is sent, and how far that is."""

    to: str = Field(examples=["https://photos.example/in"])
    state: DeliveryState | None = Field(
        description="`held`: it did not pass the audit, and `error` says why; null before the photo is protected"
    )
    attempts: int = Field(ge=0)
    error: str | None
    next: Time | None = Field(description="when the next attempt is due")


class Links(BaseModel):
    """Paths of all that belongs to the job."""

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
    name: str = Field(description="of the photo's file", examples=["beach.jpg"])
    state: JobState
    progress: float = Field(ge=0, le=1)
    attempts: int = Field(ge=0, description="how often a worker took it")
    created: Time
    started: Time | None
    finished: Time | None
    expires: Time | None = Field(description="when it goes, with its files")
    photo: Photo
    options: dict[str, Any] = Field(description="what was asked for")
    verdict: str | None = Field(description="in plain words")
    hidden: bool | None = Field(description="no encoder that it was optimised against finds it")
    hidden_unseen: bool | None = Field(description="nor any other")
    ssim: float | None = Field(description="how alike the two photos are, at most 1")
    seconds: float | None = Field(description="that it took")
    error: str | None = Field(description="why it failed")
    delivery: Delivery | None
    links: Links


class Jobs(BaseModel):
    """Some jobs, newest first."""

    jobs: list[Job]
    next: str | None = Field(description="give it as `before` to have those that follow; null when there are none")


class OptionError(BaseModel):
    """What is wrong with one option, parameter or header."""

    option: str = Field(description="as in the command line, without the hyphens before", examples=["budget"])
    detail: str


class Problem(BaseModel):
    """Problem details for HTTP APIs (RFC 9457)."""

    type: str = Field(
        description="names the kind of problem, for programs", examples=["urn:recessive:problem:queue-full"]
    )
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what is wrong, and what to do about it")
    instance: str = Field(description="path of the request")
    errors: list[OptionError] = Field(default=[], description="for each option that makes no sense, why")


class Method(BaseModel):
    """A way to protect photos."""

    name: str
    summary: str
    paper: str
    departures: str = Field(description="from the paper")
    accepts: list[str] = Field(description="kinds of encoders it works on")
    needs: list[str]
    defaults: dict[str, Any]


class Encoder(BaseModel):
    """One who searches."""

    name: str
    kind: Literal["encoder", "search"] = Field(description="`search`: without a network; asked by every audit")
    outputs: str | None = Field(description="descriptor or logits, of an encoder")
    dim: int | None
    seen: bool = Field(description="photos are optimised against it when no encoder is named")


class Methods(BaseModel):
    """The methods there are."""

    methods: list[Method]


class Encoders(BaseModel):
    """Who searches."""

    encoders: list[Encoder]


class Limits(BaseModel):
    """What the service takes, and for how long it keeps what it makes."""

    max_bytes: int
    max_pixels: int
    formats: list[str]
    keep_hours: float
    checks: list[str] = Field(description="transforms that `check` and `survive` take, with a usual figure")
    max_steps: int
    max_grid: int
    max_transforms: int = Field(description="of `survive`, and of `check`")
    key_needed: bool
    delivers: bool = Field(description="whether `deliver-to` may be asked for at all")


class Health(BaseModel):
    """Whether the service works."""

    status: Literal["ok", "no workers", "no database"]
    database: bool = Field(description="it answers")
    workers: int | None = Field(description="seen in the last 30 s")
    waiting: int | None = Field(description="jobs")
    running: int | None = Field(description="jobs")


def job_shape(job: StoredJob) -> Job:
    """A job as clients see it."""
    at = f"/v1/jobs/{job.id}"
    report = job.report or {}
    return Job(
        id=job.id,
        name=job.name,
        state=job.state,
        progress=job.progress,
        attempts=job.attempts,
        created=time_shape(job.created),
        started=time_or_none(job.started),
        finished=time_or_none(job.finished),
        expires=time_or_none(job.expires),
        photo=Photo(
            format=job.format,
            bytes=job.bytes,
            width=report.get("width", job.width),
            height=report.get("height", job.height),
        ),
        options=job.options,
        verdict=report.get("verdict"),
        hidden=report.get("hidden"),
        hidden_unseen=report.get("hidden_unseen"),
        ssim=report.get("ssim"),
        seconds=report.get("seconds"),
        error=job.error,
        delivery=_delivery(job),
        links=Links(
            self=at,
            events=f"{at}/events",
            photo=f"{at}/photo",
            report=f"{at}/report",
            insight=f"{at}/insight",
            contact_sheet=f"{at}/contact-sheet",
            cancel=f"{at}/cancel",
        ),
    )


def _delivery(job: StoredJob) -> Delivery | None:
    if job.deliver_to is None:
        return None
    return Delivery(
        to=job.deliver_to,
        state=job.delivery,
        attempts=job.delivery_attempts,
        error=job.delivery_error,
        next=time_or_none(job.delivery_next),
    )


def time_shape(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_or_none(seconds: float | None) -> str | None:
    """The same where there is a time."""
    return None if seconds is None else time_shape(seconds)
