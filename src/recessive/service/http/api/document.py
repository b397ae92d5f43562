"""The API's document (OpenAPI): what routes say of their refusals, and what holds for all of them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from recessive import __version__
from recessive.service.http.api import shapes
from recessive.service.http.problems import MEDIA_TYPE

_ABOUT = """
Photos that look the same to people and are silent to machines that search for them.

Send a photo, get a job at once, follow it, fetch the result. Every refusal is a problem document (RFC 9457) that says
what to do. Once the service has a key, or listens beyond this machine, requests need one: `Authorization: Bearer KEY`.
"""
_WHY = {
    400: "the form cannot be read",
    401: "a key is needed",
    403: "the request comes from another web site",
    404: "there is no such thing, or it is not yours",
    408: "the photo stopped coming",
    409: "the job is not done yet",
    410: "the job has failed or was cancelled",
    413: "the photo is too large",
    415: "this is no photo, or no form",
    421: "the service is not called that",
    422: "an option makes no sense",
    429: "the queue is full, or the key's quota is spent",
    503: "the database does not answer",
    507: "the disk is full",
}
_LATER = {429, 503, 507}
_RETRY_AFTER = {
    "description": "seconds after which it is worth trying again",
    "schema": {"type": "integer", "minimum": 1},
}
_EVERYWHERE = (403, 421)
_PROBLEM = shapes.Problem.__name__
_KEY = "key"
_OPEN = "/health"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Responses of a route that are problem documents."""
    return {status: _problem(status) for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{_PROBLEM}"}
    described: dict[str, Any] = {"description": _WHY[status], "content": {MEDIA_TYPE: {"schema": schema}}}
    if status in _LATER:
        described["headers"] = {"Retry-After": _RETRY_AFTER}
    return described


def describe(app: FastAPI) -> dict[str, Any]:
    """The document of an app with all its routes."""
    document = get_openapi(title="recessive", version=__version__, description=_ABOUT, routes=app.routes)
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's, in place of which there are problems
        schemas.pop(name, None)
    problem = shapes.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), _PROBLEM: problem}
    document["components"]["securitySchemes"] = {_KEY: {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(operation, needs_key=path != _OPEN)
    return document


def _complete(operation: dict[str, Any], *, needs_key: bool) -> None:
    """What holds for every operation, and what the framework adds although it does not."""
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    statuses = (401, *_EVERYWHERE, 503) if needs_key else _EVERYWHERE
    if needs_key:
        operation["security"] = [{_KEY: []}, {}]
    responses.update({str(status): _problem(status) for status in statuses if str(status) not in responses})
    operation["responses"] = dict(sorted(responses.items()))
