"""Problem details (RFC 9457): what every refusal and every fault of the HTTP side looks like."""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recessive.service.store.database import DatabaseError
from recessive.service.store.job import Busy, QueueFull

MEDIA_TYPE = "application/problem+json"
_TYPES = "urn:recessive:problem:"
_AWAY = 5  # s after which a database that is away, or a full disk, is worth another try
_LIMITS = {True: ("queue-full", "The queue is full"), False: ("quota-spent", "The key's quota is spent")}
_FRAMES = 12  # of a fault, in the log: what is before them is the framework's
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptionError:
    """What is wrong with one option, parameter or header.

    Attributes:
        option: its name, as in the CLI: keep-location.
        detail: what is wrong.
    """

    option: str
    detail: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 (a problem document, whether or not it is our fault)
    """A request that is not answered with what it asks for.

    Attributes:
        status: of the response.
        detail: what is wrong, and what to do about it.
        kind: ends the problem's `type`, for programs; None when the status says it all.
        title: names the kind; the status's own name when None.
        headers: of the response.
        errors: for each option that is wrong, what.
    """

    status: int
    detail: str
    kind: str | None = None
    title: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[OptionError, ...] = ()

    def response(self, path: str) -> JSONResponse:
        """The problem document, for a request of that path."""
        content: dict[str, Any] = {
            "type": "about:blank" if self.kind is None else _TYPES + self.kind,
            "title": self.title or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": quote(path),
        }
        if self.errors:
            content["errors"] = [{"option": error.option, "detail": error.detail} for error in self.errors]
        return JSONResponse(content, self.status, dict(self.headers), MEDIA_TYPE)


def invalid(*errors: OptionError) -> Problem:
    """The problem of options that make no sense."""
    named = "; ".join(f"{error.option}: {error.detail}" for error in errors)
    return Problem(422, named, "invalid-options", "Options that make no sense", errors=errors)


def option_errors(errors: list[ErrorDetails]) -> tuple[OptionError, ...]:
    """The same of pydantic: each under the name of its option in the CLI."""
    found: dict[OptionError, None] = {}
    for error in errors:
        places = [str(place) for place in error["loc"] if place not in ("query", "path", "header", "cookie", "body")]
        option = places[0].replace("_", "-").lower() if places else "body"
        found[OptionError(option, error["msg"].removeprefix("Value error, "))] = None
    return tuple(found)


def problem_of(error: Exception) -> Problem:
    """What is answered when that was raised."""
    again = {"Retry-After": str(_AWAY)}
    match error:
        case Problem():
            return error
        case Busy(retry_after=seconds):
            kind, title = _LIMITS[isinstance(error, QueueFull)]
            found = Problem(429, str(error), kind, title, {"Retry-After": str(seconds)})
        case RequestValidationError():
            found = invalid(*option_errors(list(error.errors())))
        case HTTPException():
            found = _plain(error)
        case DatabaseError():
            away = "the database does not answer; try again in a few seconds"
            found = Problem(503, away, "database-away", "The database is away", again)
        case OSError() if error.errno in _FULL_DISK:
            full = "the service has no room for more files; tell whoever runs it"
            found = Problem(507, full, "disk-full", "The disk is full", again)
        case _:
            fault = "the service made a mistake; whoever runs it finds more in its log"
            found = Problem(500, fault, "fault", "A fault of the service")
    return found


def _plain(error: HTTPException) -> Problem:
    """What the framework refuses, in words that help."""
    details = {
        404: "there is nothing here; /docs lists what there is",
        405: "this is not done with what is here; the header Allow lists what is, and /docs describes it",
    }
    detail = details.get(error.status_code, error.detail)
    return Problem(error.status_code, detail, headers=error.headers or {})


class Problems:
    """ASGI middleware: whatever is raised inside becomes a problem document, and nothing of it leaves but that.

    Faults are logged as places in the code, without messages: those may name files, keys or addresses.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:  # noqa: BLE001 - no fault may show more than it should
            problem = problem_of(error)
            if problem.status >= 500:
                _report(error, scope["method"], problem.status)
            if started:
                raise Aborted from None  # half a response must not look like a whole one
            await problem.response(scope["path"])(scope, receive, send)


class Aborted(Exception):  # noqa: N818
    """A response that had begun cannot be finished: the server closes the connection."""


def _report(error: Exception, method: str, status: int) -> None:
    if isinstance(error, DatabaseError):
        where = str(error)  # one line, made for whoever runs the service
    else:
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        where = "\n".join([f"{type(error).__name__} at", *places])
    _log.error("%s answered with %d: %s", method, status, where)
