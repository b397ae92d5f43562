"""The HTTP side of the service, as one ASGI app."""

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

from recessive.service.http.access import Gate, Lock, SafeHeaders
from recessive.service.http.adding import Adder
from recessive.service.http.api import catalogue, jobs, operations, pages, results
from recessive.service.http.api.document import describe
from recessive.service.http.api.parts import Parts
from recessive.service.http.events import Watcher
from recessive.service.http.exchange import HeadAsGet, ReadOn
from recessive.service.http.metrics import Measure, Metrics
from recessive.service.http.problems import Problems, problem_of
from recessive.service.http.recent import Recent
from recessive.service.settings import ServiceSettings
from recessive.service.store.database import Database
from recessive.service.store.jobs import Jobs
from recessive.service.store.keys import Keys
from recessive.service.store.storage import Storage
from recessive.service.work.housekeeping import Housekeeping

_METHODS = ("GET", "HEAD", "POST", "DELETE")


def create_app(settings: ServiceSettings, database: Database) -> FastAPI:
    """The app; `app.state.parts` holds what its routes use.

    While it runs, so does the service's housekeeping. Whoever stops it calls `app.state.parts.watcher.close()` first:
    servers wait for the ends of all responses, and event streams have no other.

    Args:
        settings: of the service.
        database: with its tables up to date; stays open.
    """
    all_jobs, storage = Jobs(database, queue=settings.queue), Storage(settings.folder)
    lock, metrics, watcher = Lock(settings, Keys(database)), Metrics(all_jobs), Watcher(all_jobs)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        storage.open()
        with Housekeeping(all_jobs, storage):
            yield
            watcher.close()

    app = FastAPI(
        title="recessive",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=lifespan,
        middleware=[  # the first is the outermost
            Middleware(SafeHeaders),
            Middleware(Measure, metrics=metrics),
            Middleware(HeadAsGet),
            Middleware(ReadOn),
            Middleware(Problems),
            Middleware(Gate, settings=settings, lock=lock),
        ],
        exception_handlers={HTTPException: _refuse, RequestValidationError: _refuse},
    )
    app.state.parts = Parts(settings, all_jobs, Adder(all_jobs, storage), storage, watcher, metrics, lock, Recent())
    for part in (jobs, results, catalogue, operations, pages):
        app.include_router(part.router)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    """What the framework refuses, as a problem."""
    problem = problem_of(error)
    if problem.status == 405:
        problem.headers = {"Allow": ", ".join(_allowed(request.scope))}
    return problem.response(request.scope["path"])


def _allowed(scope: Scope) -> list[str]:
    """What can be done with a path, by all its routes; the framework looks at the first one only."""
    bare = {name: scope[name] for name in ("type", "path", "root_path", "headers") if name in scope}
    routes = scope["app"].routes
    found = [m for m in _METHODS if any(r.matches({**bare, "method": m})[0] == Match.FULL for r in routes)]
    return [*(["HEAD"] if "GET" in found and "HEAD" not in found else []), *found]


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = describe(app)
    return app.openapi_schema
