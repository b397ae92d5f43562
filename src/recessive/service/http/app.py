"""The HTTP side of the service as one ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from recessive.options import ServiceOptions
from recessive.service.http.access import AccessControl, Authenticator, SafeHeaders
from recessive.service.http.api import catalogue, jobs, pages, results
from recessive.service.http.api.dependencies import Dependencies
from recessive.service.http.api.document import describe
from recessive.service.http.events import Watcher
from recessive.service.http.exchange import HeadAsGet, ReadOn
from recessive.service.http.metrics import Measure, Metrics
from recessive.service.http.problems import Problems, problem_of
from recessive.service.http.short_cache import ShortCache
from recessive.service.store.cleaning import Cleaner
from recessive.service.store.database import Database
from recessive.service.store.inbox import Inbox
from recessive.service.store.keys import Keys
from recessive.service.store.reading import JobReader
from recessive.service.store.storage import Storage
from recessive.service.work.cleaning import CleaningRunner

_METHODS = ("GET", "HEAD", "POST", "DELETE")


def create_app(settings: ServiceOptions, database: Database) -> FastAPI:
    """The app; `app.state.dependencies` holds the objects that its routes use.

    While it runs, the queue and the folder are cleaned. Before it is stopped, call
    `app.state.dependencies.watcher.close()`: servers wait for the ends of all responses, and event streams have no
    other end.

    Args:
        settings: the settings of the service.
        database: the database, with its tables up to date; it stays open.
    """
    reader, storage = JobReader(database), Storage(settings.folder)
    dependencies = Dependencies(
        settings=settings,
        inbox=Inbox(database, queue=settings.queue),
        reader=reader,
        storage=storage,
        watcher=Watcher(reader),
        metrics=Metrics(reader),
        authenticator=Authenticator(settings, Keys(database)),
        quotas_checked=ShortCache(),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        storage.open()
        with CleaningRunner(Cleaner(database), storage):
            yield
            dependencies.watcher.close()

    app = FastAPI(
        title="recessive",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        middleware=[  # the first is the outermost
            Middleware(SafeHeaders),
            Middleware(Measure, metrics=dependencies.metrics),
            Middleware(HeadAsGet),
            Middleware(ReadOn),
            Middleware(Problems),
            Middleware(AccessControl, settings=settings, authenticator=dependencies.authenticator),
        ],
        exception_handlers={HTTPException: _refuse, RequestValidationError: _refuse},
    )
    app.state.dependencies = dependencies
    for module in (jobs, results, catalogue, pages):
        app.include_router(module.router)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """A refusal of the framework, as a problem document."""
    problem = problem_of(error)
    if problem.status == 405:
        problem.headers = {"Allow": ", ".join(_allowed(request.scope))}
    return problem.response(request.scope["path"])


def _allowed(scope: Scope) -> list[str]:
    """The methods of a path by all its routes; the framework looks at the first one only."""
    bare = {name: scope[name] for name in ("type", "path", "root_path", "headers") if name in scope}
    routes = scope["app"].routes
    found = [m for m in _METHODS if any(r.matches({**bare, "method": m})[0] == Match.FULL for r in routes)]
    return [*(["HEAD"] if "GET" in found and "HEAD" not in found else []), *found]


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = describe(app)
    return app.openapi_schema
