"""What the service is started with, and what may be asked of it for one photo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from recessive.encoders import bundled_encoders
from recessive.photos import format_named
from recessive.protection.methods import METHODS
from recessive.workflows import ProtectSettings
from recessive.workflows.method_runner import surrogates_for
from recessive.workflows.settings import known_transforms

MOST_STEPS = 1000
LARGEST_GRID = 2048
MOST_TRANSFORMS = 8


class ServiceSettings(BaseModel):
    """How the service runs. Server and workers are given the same, on whatever machines they run.

    Attributes:
        folder: where originals wait and results lie, and the SQLite file; shared by all machines of the service.
        database_url: of the jobs: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; a SQLite file in `folder`
            when None.
        host: address to listen on.
        port: of it; 0 for any that is free.
        workers: processes that the server starts and keeps alive; 0 when they run elsewhere.
        gallery: folder of photos that audits search; the bundled reference gallery when None.
        keep_hours: how long results are kept.
        max_bytes: of an upload.
        max_pixels: of a photo.
        queue: jobs that may wait; more are refused until there is room.
        time_limit: seconds after which a job is given up.
        deliver_to: allow-list of delivery targets: URLs (a target begins with one of them) and absolute folders.
        names: host names, besides the address, under which browsers reach the service.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Path("recessive-service")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    workers: int = Field(default_factory=lambda: max(1, (os.cpu_count() or 2) // 2), ge=0, le=256)
    gallery: Path | None = None
    keep_hours: float = Field(default=24.0, gt=0, le=24 * 366, allow_inf_nan=False)
    max_bytes: int = Field(default=50_000_000, ge=1_000)
    max_pixels: int = Field(default=40_000_000, ge=1_024)
    queue: int = Field(default=1_000, ge=1)
    time_limit: float = Field(default=900.0, gt=0, allow_inf_nan=False)
    deliver_to: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Of the database."""
        return self.database_url or f"sqlite:///{self.folder.absolute() / 'jobs.sqlite3'}"


def _several(value: object) -> object:
    """One name alone stands for a list of one."""
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]


class JobOptions(BaseModel):
    """What may be asked for one photo, under the names of `recessive protect`, and where the result is to go.

    Options that name files of the machine (`--gallery`, `--sample`, `--target`) are not among them, nor are methods
    that need them.

    Attributes:
        method: a key of `METHODS`.
        encoder: names of the surrogates; all that are seen and fit the method when none.
        budget: in 1/255; the method's own when None.
        norm: linf or l2.
        steps: at most so many; the method's own when None.
        survive: transforms that the change should outlive, such as jpeg:75.
        check: transforms that the verdict is asked again after.
        grid: longest side in pixels of the grid that the change lives on.
        seed: of all that is random.
        format: of the saved file; that of the photo when None.
        quality: 1 to 100 for lossy formats.
        keep_location: leave the GPS position in the file.
        deliver_to: URL or folder, on the service's allow-list, that gets the photo once it passes the audit.
        passes: who must not find it for that: the encoders optimised against (seen), or all that were asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = "vanish"
    encoder: Names = Field(default=(), max_length=16)
    budget: float | None = Field(default=None, ge=0, le=255, allow_inf_nan=False)
    norm: Literal["linf", "l2"] = "linf"
    steps: int | None = Field(default=None, ge=1, le=MOST_STEPS)
    survive: Names = Field(default=(), max_length=MOST_TRANSFORMS)
    check: Names = Field(default=(), max_length=MOST_TRANSFORMS)
    grid: int = Field(default=1024, ge=32, le=LARGEST_GRID)
    seed: int = Field(default=0, ge=0, lt=2**63)
    format: str | None = None
    quality: int | None = Field(default=None, ge=1, le=100)
    keep_location: bool = False
    deliver_to: str | None = Field(default=None, max_length=2_000)
    passes: Literal["seen", "all"] = "seen"

    @field_validator("method")
    @classmethod
    def _usable(cls, name: str) -> str:
        usable = usable_methods()
        if name not in usable:
            raise ValueError(f"no method that the service can run is called {name!r}; there are {', '.join(usable)}")
        return name

    @field_validator("encoder")
    @classmethod
    def _bundled(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        # Any other name could be the path of a file on this machine, or a network to download.
        bundled = bundled_encoders()
        for name in names:
            if name not in bundled:
                raise ValueError(f"the service has no encoder named {name!r}; choose from {', '.join(bundled)}")
        return names

    @field_validator("survive", "check")
    @classmethod
    def _transforms(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return known_transforms(texts)

    @field_validator("format")
    @classmethod
    def _format(cls, name: str | None) -> str | None:
        return name if name is None else format_named(name).lower()

    def protect_settings(self, gallery: Path | None = None) -> ProtectSettings:
        """The same for a `Protector`."""
        chosen = self.model_dump(exclude={"encoder", "deliver_to", "passes"})
        return ProtectSettings(**chosen, encoders=self.encoder or None, gallery=gallery)


def usable_methods() -> tuple[str, ...]:
    """Names of the methods that need nothing but the photo and what ships with the package."""
    return tuple(name for name, method in METHODS.items() if not {"labels", "target"} & method.needs)


def check_options(options: JobOptions) -> None:
    """Refuse what a method cannot do with the encoders asked for, before a job is made of it.

    Raises:
        SettingsError: says what to change.
    """
    surrogates_for(options.method, options.encoder or None)
