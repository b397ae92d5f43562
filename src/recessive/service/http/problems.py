"""Problem details (RFC 9457): the form of every refusal and every fault of the HTTP API."""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic import Field
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from recessive.service.http.exchange import HttpMiddleware
from recessive.service.store.database import DatabaseError
from recessive.service.store.inbox import Busy, QueueFull

MEDIA_TYPE = "application/problem+json"
_TYPES = "urn:recessive:problem:"
_RETRY_AFTER = 5  # seconds, while the database is unavailable or the disk full
_LIMITS = {True: ("queue-full", "The queue is full"), False: ("quota-spent", "The key's quota is spent")}
_FRAMES = 12  # of a traceback in the log: the earlier ones belong to the framework
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
_DETAILS = {  # in place of those of the framework
    404: "there is nothing at this path; /docs lists all paths",
    405: "method not allowed; the header Allow lists the methods of this path, and /docs describes them",
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptionError:
    """What is wrong with one option, parameter or header."""

    option: Annotated[
        str, Field(description="The name as on the command line, without leading hyphens.", examples=["budget"])
    ]
    detail: str


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 (a problem document, whether or not it is our fault)
    """The reason why a request is refused, or fails.

    Attributes:
        status: the status of the response.
        detail: what is wrong, and what to do about it.
        kind: the end of the problem's `type`, for programs; None if the status says enough.
        title: the name of the kind; that of the status if None.
        headers: the headers of the response.
        errors: what is wrong with each invalid option.
    """

    status: int
    detail: str
    kind: str | None = None
    title: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[OptionError, ...] = ()

    def response(self, path: str) -> JSONResponse:
        """The problem document as the response to a request for a path."""
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
    """The problem of invalid options."""
    named = "; ".join(f"{error.option}: {error.detail}" for error in errors)
    return Problem(422, named, "invalid-options", "Options that make no sense", errors=errors)


def option_errors(errors: list[ErrorDetails]) -> tuple[OptionError, ...]:
    """The validation errors of pydantic, each under the name of its option on the command line."""
    found = []
    for error in errors:
        places = [str(place) for place in error["loc"] if place not in ("query", "path", "header", "cookie", "body")]
        option = places[0].replace("_", "-").lower() if places else "body"
        found.append(OptionError(option, error["msg"].removeprefix("Value error, ")))
    return tuple(dict.fromkeys(found))


def problem_of(error: Exception) -> Problem:
    """The problem that an exception is answered with."""
    again = {"Retry-After": str(_RETRY_AFTER)}
    match error:
        case Problem():
            return error
        case Busy(retry_after=seconds):
            kind, title = _LIMITS[isinstance(error, QueueFull)]
            found = Problem(429, str(error), kind, title, {"Retry-After": str(seconds)})
        case RequestValidationError():
            found = invalid(*option_errors(list(error.errors())))
        case HTTPException():
            detail = _DETAILS.get(error.status_code, error.detail)
            found = Problem(error.status_code, detail, headers=error.headers or {})
        case DatabaseError():
            unavailable = "the database is unavailable; try again in a few seconds"
            found = Problem(503, unavailable, "database-away", "Database unavailable", again)
        case OSError() if error.errno in _FULL_DISK:
            full = "the disk of the service is full; tell its operator"
            found = Problem(507, full, "disk-full", "The disk is full", again)
        case _:
            fault = "an internal error occurred; the operator of the service finds details in its log"
            found = Problem(500, fault, "fault", "A fault of the service")
    return found


class Problems(HttpMiddleware):
    """Answers exceptions with problem documents, which reveal nothing else about them.

    Faults are logged as places in the code, without messages, which may name files, keys or addresses.
    """

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            return  # there is nobody to answer
        except Exception as error:  # noqa: BLE001 - no fault may reveal more than it should
            problem = problem_of(error)
            if problem.status >= 500:
                _report(error, scope["method"], problem.status)
            if started:
                raise Aborted from None  # half a response must not look complete
            await problem.response(scope["path"])(scope, receive, send)


class Aborted(Exception):  # noqa: N818
    """A response that has begun cannot be finished: the server closes the connection."""


def _report(error: Exception, method: str, status: int) -> None:
    if isinstance(error, DatabaseError):
        where = str(error)  # one line, written for the operator
    else:
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        where = "\n".join([f"{type(error).__name__} at", *places])
    _log.error("%s answered with %d: %s", method, status, where)
