"""What the service says about itself: methods, encoders and limits for clients, health and metrics for its operator."""

from functools import cache
from typing import get_args

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recessive.encoders import bundled_encoders
from recessive.photos import Format
from recessive.protection.methods import METHODS, defaults
from recessive.searchers import HANDCRAFTED
from recessive.service.http.api import shapes
from recessive.service.http.api.dependencies import Dependencies, Service, json_response
from recessive.service.http.api.options import option_schemas
from recessive.service.store.database import DatabaseError
from recessive.transforms import EXAMPLES

router = APIRouter()


@router.get("/v1/methods", response_model=shapes.Methods, tags=["catalogue"])
async def list_methods() -> Response:
    """List the methods, best for most photos first."""
    return json_response(_methods())


@router.get("/v1/encoders", response_model=shapes.Encoders, tags=["catalogue"])
async def list_encoders() -> Response:
    """List the encoders and searches: what photos can be protected against, and what the audit searches with."""
    return json_response(await run_in_threadpool(_encoders))


@router.get("/v1/limits", response_model=shapes.Limits, tags=["catalogue"])
async def get_limits(service: Service) -> Response:
    """Show the limits of the service."""
    settings, options = service.settings, option_schemas()
    return json_response(
        shapes.Limits(
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            formats=[name.lower() for name in get_args(Format)],
            keep_hours=settings.keep_hours,
            checks=list(EXAMPLES),
            max_steps=options["steps"]["maximum"],
            max_grid=options["grid"]["maximum"],
            max_transforms=options["survive"]["maxItems"],
            key_needed=await run_in_threadpool(service.authenticator.needs_key),
            delivers=bool(settings.deliver_to),
        )
    )


@router.get(
    "/health",
    response_model=shapes.Health,
    responses={503: {"model": shapes.Health, "description": "The database is unavailable."}},
    tags=["operations"],
)
async def get_health(service: Service) -> Response:
    """Show whether the service works. Needs no key."""
    health = await run_in_threadpool(_health, service)
    return json_response(health, 200 if health.database else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Figures in the text format of Prometheus.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
    tags=["operations"],
)
async def get_metrics(service: Service) -> Response:
    """Fetch figures for Prometheus."""
    return Response(await run_in_threadpool(service.metrics.text), media_type=CONTENT_TYPE_LATEST)


@cache
def _methods() -> shapes.Methods:
    return shapes.Methods(
        methods=[
            shapes.Method(
                name=name,
                summary=METHODS[name].summary,
                paper=METHODS[name].paper,
                departures=METHODS[name].departures,
                accepts=sorted(METHODS[name].accepts),
                needs=sorted(METHODS[name].needs),
                defaults=defaults(METHODS[name]),
            )
            for name in option_schemas()["method"]["enum"]
        ]
    )


@cache
def _encoders() -> shapes.Encoders:
    encoders = [
        shapes.Encoder(name=entry.name, kind="encoder", outputs=entry.outputs, dim=entry.dim, seen=entry.seen)
        for entry in bundled_encoders().values()
    ]
    searches = [shapes.Encoder(name=name, kind="search", outputs=None, dim=None, seen=False) for name in HANDCRAFTED]
    return shapes.Encoders(encoders=encoders + searches)


def _health(service: Dependencies) -> shapes.Health:
    try:
        workers, counts = service.reader.workers(), service.reader.counts()
    except DatabaseError:
        return shapes.Health(status="no database", database=False, workers=None, waiting=None, running=None)
    return shapes.Health(
        status="ok" if workers else "no workers",
        database=True,
        workers=workers,
        waiting=counts["waiting"],
        running=counts["running"],
    )
