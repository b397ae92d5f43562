"""Pages for people: the page of the service, and the OpenAPI document in Swagger UI. All files are our own."""

import importlib.util
import os
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

_HTTP = Path(__file__).parents[1]
_PAGE = _HTTP / "page"
_DOCS = _HTTP / "docs"
_SWAGGER = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon.png")

router = APIRouter(include_in_schema=False)
_page_files = StaticFiles(directory=_PAGE)


@router.get("/")
async def get_page() -> Response:
    """Serve the page."""
    return FileResponse(_PAGE / "index.html")


@router.get("/page/{path:path}")
async def get_page_file(request: Request, path: str) -> Response:
    """Serve a file of the page."""
    return await _page_files.get_response(os.path.normpath(path), request.scope)


@router.get("/docs")
async def get_docs() -> Response:
    """Serve the OpenAPI document for people."""
    return FileResponse(_DOCS / "index.html")


@router.get("/docs/{name}")
async def get_docs_file(name: str) -> Response:
    """Serve a file of /docs."""
    if name == "start.js":
        return FileResponse(_DOCS / name)
    if name not in _SWAGGER:
        raise HTTPException(404)
    return FileResponse(await run_in_threadpool(_swagger) / name)


def _swagger() -> Path:
    """The folder in which fastapi_offline has the files of Swagger UI."""
    found = importlib.util.find_spec("fastapi_offline")
    if found is None or found.origin is None:
        raise HTTPException(404)
    return Path(found.origin).parent / "static"
