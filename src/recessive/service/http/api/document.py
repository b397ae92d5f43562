"""The OpenAPI document: the refusals of each route, and what holds for all routes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from recessive import __version__
from recessive.service.http.api import shapes
from recessive.service.http.problems import MEDIA_TYPE

_ABOUT = """
Photos that look the same to people, but are no longer found by searches for their content.

Send a photo, get a job at once, follow it, fetch the result. Every refusal is a problem document (RFC 9457) that says
what to do. Requests need a key (`Authorization: Bearer KEY`) once the service has one, or listens beyond this machine.
"""
_WHY = {
    400: "The form cannot be read.",
    401: "A key is needed.",
    403: "The request comes from another web site.",
    404: "It does not exist, or is not yours.",
    408: "The upload stalled.",
    409: "The job is not done yet.",
    410: "The job has failed or was cancelled.",
    413: "The photo is too large.",
    415: "The request contains no photo, or is no form.",
    421: "The service does not have this host name.",
    422: "An option is invalid.",
    429: "The queue is full, or the quota of the key is used up.",
    503: "The database is unavailable.",
    507: "The disk is full.",
}
_LATER = {429, 503, 507}
_RETRY_AFTER = {
    "description": "Seconds after which it is worth trying again.",
    "schema": {"type": "integer", "minimum": 1},
}
_EVERYWHERE = (403, 421)
_PROBLEM = shapes.Problem.__name__
_KEY = "key"
_OPEN = "/health"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The responses of a route that are problem documents."""
    return {status: _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{_PROBLEM}"}
    described: dict[str, Any] = {"description": _WHY[status], "content": {MEDIA_TYPE: {"schema": schema}}}
    if status in _LATER:
        described["headers"] = {"Retry-After": _RETRY_AFTER}
    return described


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an app with all its routes."""
    document = get_openapi(title="recessive", version=__version__, description=_ABOUT, routes=app.routes)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # of the framework, replaced by problems
        schemas.pop(name, None)
    problem = shapes.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), _PROBLEM: problem}
    document["components"]["securitySchemes"] = {_KEY: {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, needs_key=path != _OPEN)
    return document


def _complete(operation: dict[str, Any], *, needs_key: bool) -> None:
    """Add what holds for every operation, and remove what the framework adds wrongly."""
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    statuses = (401, *_EVERYWHERE, 503) if needs_key else _EVERYWHERE
    if needs_key:
        operation["security"] = [{_KEY: []}, {}]
    responses.update({str(status): _problem(status) for status in statuses if str(status) not in responses})
    operation["responses"] = dict(sorted(responses.items()))
