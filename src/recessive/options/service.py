"""Options for the service: where it keeps its data, how its workers work, and how its server listens."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le
from cyclopts import Parameter

from recessive.options.fields import Checked, Options

_AUTOMATIC = Path()  # recognised by its identity: the folder is chosen by the database


@dataclass(frozen=True)
class PlaceOptions(Options):
    """Where a service keeps its photos and its database.

    Attributes:
        folder: Folder for photos and results, shared by all machines of the service. By default, recessive-service, or
            recessive-service-postgresql with PostgreSQL, since a folder belongs to one database.
        database_url: Database of jobs and keys: postgresql://USER@HOST/NAME or sqlite:///PATH. By default, a SQLite
            file in --folder. Put a URL with a password into the environment variable instead, because every user of a
            machine can read the arguments of its processes.
    """

    folder: Annotated[Path, Parameter(show_default=False)] = _AUTOMATIC
    database_url: Annotated[str | None, Parameter(env_var="RECESSIVE_DATABASE_URL")] = None

    def __post_init__(self) -> None:
        """Choose the default folder."""
        if self.folder is _AUTOMATIC:
            elsewhere = (self.database_url or "").startswith("postgres")
            folder = Path("recessive-service-postgresql" if elsewhere else "recessive-service")
            object.__setattr__(self, "folder", folder)

    @property
    def url(self) -> str:
        """The URL of the database."""
        return self.database_url or f"sqlite:///{self.folder.absolute() / 'jobs.sqlite3'}"


@dataclass(frozen=True)
class WorkOptions(PlaceOptions):
    """How the workers of a service work.

    Attributes:
        gallery: Folder of photos that the check searches. By default, the reference gallery that comes with the
            program.
        keep_hours: Hours after which results are deleted. The photos that were sent in are deleted as soon as they are
            protected.
        time_limit: Seconds after which the work on a photo is given up.
        deliver_to: Where results may be delivered: the beginning of a URL, or the absolute path of a folder. By
            default, nowhere. Repeat it for several.
    """

    gallery: Path | None = None
    keep_hours: Annotated[float, Checked(Gt(0), Le(24 * 366))] = 24
    time_limit: Annotated[float, Checked(Gt(0))] = 900
    deliver_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServiceOptions(WorkOptions):
    """How a service runs. Its server and its workers have the same options, on whatever machines they run.

    Attributes:
        host: Address to listen on; 0.0.0.0 stands for all addresses of this machine. Keys and photos can be read on
            their way through the network unless a proxy with TLS stands in front.
        port: Port to listen on; 0 stands for any that is free.
        workers: Number of worker processes to start and keep alive; 0 if all workers run elsewhere. By default, one for
            every two cores.
        queue: Largest number of waiting photos; more are refused until there is room.
        max_megabytes: Largest upload, in millions of bytes.
        max_megapixels: Largest photo, in millions of pixels.
        name: Host name under which browsers reach the service, besides --host. Repeat it for several.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Checked(Ge(0), Le(65_535))] = 8000
    workers: Annotated[int, Checked(Ge(0), Le(256)), Parameter(show_default=False)] = field(
        default_factory=lambda: max(1, (os.cpu_count() or 2) // 2)
    )
    queue: Annotated[int, Checked(Ge(1))] = 1000
    max_megabytes: Annotated[float, Checked(Ge(0.001))] = 50
    max_megapixels: Annotated[float, Checked(Ge(0.001_024))] = 40
    name: tuple[str, ...] = ()

    @property
    def max_bytes(self) -> int:
        """The largest upload in bytes."""
        return round(self.max_megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """The largest photo in pixels."""
        return round(self.max_megapixels * 1e6)
