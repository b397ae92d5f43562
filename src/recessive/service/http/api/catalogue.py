"""What may be asked for."""

from functools import cache
from typing import get_args

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from recessive.encoders import bundled_encoders
from recessive.photos import Format
from recessive.protection.methods import METHODS, defaults
from recessive.searchers.searchers import DESCRIPTORS
from recessive.service.http.api import shapes
from recessive.service.http.api.parts import Service, shown
from recessive.service.settings import LARGEST_GRID, MOST_STEPS, MOST_TRANSFORMS, usable_methods
from recessive.transforms import EXAMPLES

router = APIRouter(prefix="/v1", tags=["catalogue"])


@router.get("/methods", response_model=shapes.Methods)
async def list_methods() -> Response:
    """List the methods, best for most photos first."""
    return shown(_methods())


@router.get("/encoders", response_model=shapes.Encoders)
async def list_encoders() -> Response:
    """List who searches: the encoders, which photos can be optimised against, and searches without a network."""
    return shown(await run_in_threadpool(_encoders))


@router.get("/limits", response_model=shapes.Limits)
async def get_limits(service: Service) -> Response:
    """See what the service takes."""
    settings = service.settings
    return shown(
        shapes.Limits(
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            formats=[name.lower() for name in get_args(Format)],
            keep_hours=settings.keep_hours,
            checks=list(EXAMPLES),
            max_steps=MOST_STEPS,
            max_grid=LARGEST_GRID,
            max_transforms=MOST_TRANSFORMS,
            key_needed=await run_in_threadpool(service.lock.needs_key),
            delivers=bool(settings.deliver_to),
        )
    )


@cache
def _methods() -> BaseModel:
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
            for name in usable_methods()
        ]
    )


@cache
def _encoders() -> BaseModel:
    encoders = [
        shapes.Encoder(name=entry.name, kind="encoder", outputs=entry.outputs, dim=entry.dim, seen=entry.seen)
        for entry in bundled_encoders().values()
    ]
    searches = [shapes.Encoder(name=name, kind="search", outputs=None, dim=None, seen=False) for name in DESCRIPTORS]
    return shapes.Encoders(encoders=encoders + searches)
