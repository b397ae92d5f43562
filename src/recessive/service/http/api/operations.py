"""For whoever runs the service: is it well, and how much does it do."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recessive.service.http.api import shapes
from recessive.service.http.api.parts import Parts, Service, shown
from recessive.service.store.database import DatabaseError

router = APIRouter(tags=["operations"])


@router.get(
    "/health",
    response_model=shapes.Health,
    responses={503: {"model": shapes.Health, "description": "the database does not answer"}},
)
async def get_health(service: Service) -> Response:
    """See whether the service works. Needs no key."""
    health = await run_in_threadpool(_health, service)
    return shown(health, 200 if health.database else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "figures in Prometheus' text format",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def get_metrics(service: Service) -> Response:
    """Fetch figures for Prometheus."""
    return Response(await run_in_threadpool(service.metrics.text), media_type=CONTENT_TYPE_LATEST)


def _health(service: Parts) -> shapes.Health:
    try:
        workers, counts = service.jobs.workers(), service.jobs.counts()
    except DatabaseError:
        return shapes.Health(status="no database", database=False, workers=None, waiting=None, running=None)
    return shapes.Health(
        status="ok" if workers else "no workers",
        database=True,
        workers=workers,
        waiting=counts["waiting"],
        running=counts["running"],
    )
