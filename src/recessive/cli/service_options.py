"""Options that `serve`, `worker` and `keys` share, and what these say when they cannot begin."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from recessive.cli.output import WRONG_USE, complain

if TYPE_CHECKING:
    from recessive.service.settings import ServiceSettings

DATABASE_URL = "RECESSIVE_DATABASE_URL"
CALLED = {  # where an option is not called as its setting
    "keep_hours": "keep",
    "max_bytes": "max-megabytes",
    "max_pixels": "max-megapixels",
    "names": "name",
}


@dataclass(frozen=True)
class Place:
    """Where the jobs and the photos of a service are."""

    folder: Annotated[
        Path | None,
        Parameter(
            help="Where photos wait and results are kept: the same folder for all machines of the service. By default "
            "recessive-service, and recessive-service-postgresql with PostgreSQL: a folder belongs to one database."
        ),
    ] = None
    database_url: Annotated[
        str | None,
        Parameter(
            env_var=DATABASE_URL,
            help="Database of jobs and keys: postgresql://USER@HOST/NAME, or sqlite:///PATH. By default a SQLite file "
            "in --folder. Set the environment variable instead if a password is in it: all users of a machine can "
            "read the options of its processes.",
        ),
    ] = None

    @property
    def path(self) -> Path:
        """Of the folder."""
        elsewhere = (self.database_url or "").startswith("postgres")
        return self.folder or Path("recessive-service-postgresql" if elsewhere else "recessive-service")

    @property
    def url(self) -> str:
        """Of the database, as `ServiceSettings` has it; but those bring torch, which keys have no use for."""
        return self.database_url or f"sqlite:///{self.path.absolute() / 'jobs.sqlite3'}"


@dataclass(frozen=True)
class Work:
    """What the workers of a service go by."""

    gallery: Annotated[
        Path | None,
        Parameter(help="Folder of photos that the check searches. By default the bundled reference gallery."),
    ] = None
    keep: Annotated[
        float,
        Parameter(
            help="Hours after which results are deleted. Photos that were sent in are deleted as soon as they are "
            "protected."
        ),
    ] = 24
    time_limit: Annotated[float, Parameter(help="Seconds after which a photo is given up.")] = 900
    deliver_to: Annotated[
        list[str] | None,
        Parameter(
            consume_multiple=True,
            negative="",
            help="Where photos may be delivered: URLs, one of which a target has to begin with, and absolute paths of "
            "folders. By default nowhere.",
        ),
    ] = None


def settings_of(place: Place, work: Work, **others: Any) -> ServiceSettings:  # noqa: ANN401 - settings of each kind
    """What the service is started with.

    Raises:
        ValidationError: of an option that makes no sense.
    """
    from recessive.service.settings import ServiceSettings

    return ServiceSettings(
        folder=place.path,
        database_url=place.database_url,
        gallery=work.gallery,
        keep_hours=work.keep,
        time_limit=work.time_limit,
        deliver_to=tuple(work.deliver_to or ()),
        **others,
    )


def log_to_stderr() -> None:
    """What servers and workers log: job ids, states, seconds, and what went wrong."""
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("recessive").setLevel(logging.INFO)


def answered(action: Callable[[], int]) -> int:
    """The exit status of a command of the service; what keeps it from its work is one line on stderr."""
    try:
        from recessive.service.store.database import DatabaseError

        try:
            return action()
        except DatabaseError as error:
            complain(error)
    except ModuleNotFoundError as error:
        if (error.name or "recessive").partition(".")[0] == "recessive":
            raise
        complain(f'{error.name} is not installed: pip install "recessive[serve]"')
    return WRONG_USE
