"""A small stand-in for the service: the same routes with canned results, and switches for what goes wrong.

Tests of the page decide what happens and when: `hold()` keeps jobs waiting, `show()` changes a job, `refusals` are the
responses to the next uploads, `stalled` makes uploads wait, `key` is the API key that requests need, `close()` and
`open()` stop the service and start it again at the same address.
"""

import asyncio
import io
import itertools
import json
import runpy
import socket
import threading
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import recessive.service.http

_canned = runpy.run_path(str(Path(__file__).with_name("canned.py")))
insight, protected, report = (_canned[name] for name in ("insight", "protected", "report"))

PAGE = Path(recessive.service.http.__file__).with_name("page")
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "form-action 'none'",
    ]
)
LIMITS = {
    "max_bytes": 50_000_000,
    "max_pixels": 40_000_000,
    "formats": ["jpeg", "png", "webp", "tiff", "heif", "avif"],
    "keep_hours": 24.0,
    "checks": ["jpeg:90", "jpeg:75", "resize:0.5", "crop:0.9", "blur:1"],
    "key_needed": False,
}


def problem(status, detail, headers=None, **more):
    content = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail, **more}
    return JSONResponse(content, status, headers, "application/problem+json")


def _time(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Stub:
    """See the module. `uploads` lists what was posted, `deleted` the ids, `seen` (method, path) of all requests."""

    def __init__(self):
        self.limits, self.key, self.workers = dict(LIMITS), None, 1
        self.jobs, self.requests, self.uploads, self.deleted, self.seen = {}, {}, [], [], []
        self.refusals, self.held, self.streams, self.insight = [], False, True, insight
        self.stalled, self.at_once, self.most_at_once, self.lose_answers = False, 0, 0, 0
        self._ids, self._server = itertools.count(1), None
        self._address = ("127.0.0.1", 0)
        self.open()

    @property
    def url(self):
        return "http://{}:{}".format(*self._address)

    def open(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._address)
        self._address = listener.getsockname()
        config = uvicorn.Config(self._app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=0)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def close(self):
        if self._server is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join()
            self._server = None

    def hold(self):
        """Keep new jobs waiting until `show` changes them."""
        self.held = True

    def show(self, job_id, **changes):
        self.jobs[job_id].update(changes)

    def add(self, data, name, options=None, **changes):
        """Add a job as if the photo had been uploaded."""
        with Image.open(io.BytesIO(data)) as image:
            photo = {"format": image.format, "bytes": len(data), "width": image.width, "height": image.height}
        number, now = next(self._ids), time.time()
        asked = {"method": "vanish", "budget": None, "survive": [], "check": [], "format": None, **(options or {})}
        job = {
            "id": f"job{number:04d}",
            "name": name,
            "state": "waiting",
            "progress": 0.0,
            "attempts": 0,
            "created": _time(now + number / 1000),
            "started": None,
            "finished": None,
            "expires": None,
            "photo": photo,
            "options": asked,
            **dict.fromkeys(("verdict", "hidden", "hidden_unseen", "ssim", "seconds", "error", "delivery")),
            "links": {},
            "data": data,
            **changes,
        }
        self.jobs[job["id"]] = job
        return job

    def finish(self, job_id):
        found = report(self.jobs[job_id]["name"], self.jobs[job_id]["photo"], self.jobs[job_id]["options"])
        told = {name: found[name] for name in ("verdict", "hidden", "hidden_unseen", "ssim", "seconds")}
        self.show(job_id, state="done", progress=1.0, expires=_time(time.time() + 86_400), **told)

    def _advance(self, job):
        """Advance a job a little each time it is read, unless jobs are held."""
        if self.held or job["state"] not in ("waiting", "running"):
            return
        if job["state"] == "waiting":
            self.show(job["id"], state="running", progress=0.3, attempts=1)
        elif job["progress"] < 0.8:
            self.show(job["id"], progress=job["progress"] + 0.25)
        else:
            self.finish(job["id"])

    @staticmethod
    def _json(job):
        return {name: value for name, value in job.items() if name != "data"}

    def _app(self):
        routes = [
            Route("/", lambda _: FileResponse(PAGE / "index.html")),
            Mount("/page", StaticFiles(directory=PAGE)),
            Route("/docs", lambda _: Response("docs", media_type="text/html")),
            Route("/health", self._health),
            Route("/v1/limits", lambda _: JSONResponse(self.limits)),
            Route("/v1/jobs", self._post, methods=["POST"]),
            Route("/v1/jobs", self._list),
            Route("/v1/photos.zip", self._zip),
            Route("/v1/jobs/{id}", self._one, methods=["GET", "DELETE"]),
            Route("/v1/jobs/{id}/cancel", self._cancel, methods=["POST"]),
            Route("/v1/jobs/{id}/events", self._events),
            Route("/v1/jobs/{id}/{what}", self._result),
        ]
        return _Guard(Starlette(routes=routes), self)

    async def _health(self, request):  # noqa: ARG002
        return JSONResponse({"workers": self.workers, "waiting": 3}, 200 if self.workers else 503)

    async def _post(self, request):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            while self.stalled:  # nothing is read, so that the upload of a large photo does not end
                await asyncio.sleep(0.02)
            return await self._take(request)
        finally:
            self.at_once -= 1

    async def _take(self, request):
        async with request.form() as form:
            data = await form["photo"].read()
            fields = [(name, value) for name, value in form.multi_items() if name != "photo"]
            name = form["photo"].filename
        key = request.headers["idempotency-key"]
        self.uploads.append({"name": name, "bytes": len(data), "fields": fields, "key": key, "at": time.monotonic()})
        if self.refusals:
            return self.refusals.pop(0)
        if key not in self.requests:
            many = {"survive", "check"}
            options = {n: [v for m, v in fields if m == n] if n in many else value for n, value in fields}
            if "budget" in options:
                options["budget"] = float(options["budget"])
            try:
                self.requests[key] = self.add(data, name, options)
            except OSError:
                wrong = {"option": "photo", "detail": "is no photo that can be read; choose another file"}
                return problem(422, "photo: is no photo that can be read; choose another file", errors=[wrong])
        if self.lose_answers > 0:
            self.lose_answers -= 1
            return Response(status_code=503)
        return JSONResponse(self._json(self.requests[key]), 202)

    def _ordered(self):
        return sorted(self.jobs.values(), key=lambda job: job["created"], reverse=True)

    async def _list(self, request):
        before, limit = request.query_params.get("before"), int(request.query_params.get("limit", 50))
        jobs = [job for job in self._ordered() if before is None or job["created"] < before]
        for job in jobs[:limit]:
            for _ in range(4):  # lists are read rarely
                self._advance(job)
        following = jobs[limit - 1]["created"] if len(jobs) > limit else None
        return JSONResponse({"jobs": [self._json(job) for job in jobs[:limit]], "next": following})

    def _gone(self):
        return problem(404, "there is no such job")

    async def _one(self, request):
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            return self._gone()
        if request.method == "DELETE":
            del self.jobs[job["id"]]
            self.deleted.append(job["id"])
            return Response(status_code=204)
        return JSONResponse(self._json(job))

    async def _cancel(self, request):
        self.show(request.path_params["id"], state="cancelled")
        return JSONResponse(self._json(self.jobs[request.path_params["id"]]))

    async def _events(self, request):
        job_id = request.path_params["id"]
        if not self.streams:
            return problem(501, "no streams today")
        if job_id not in self.jobs:
            return self._gone()

        async def stream():
            told = None
            while job_id in self.jobs:
                text = json.dumps(self._json(self.jobs[job_id]))
                if text != told:
                    told = text
                    yield f"event: job\ndata: {text}\n\n"
                if self.jobs[job_id]["state"] in ("done", "failed", "cancelled"):
                    return
                await asyncio.sleep(0.02)
                self._advance(self.jobs[job_id])

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def _result(self, request):
        job, what = self.jobs.get(request.path_params["id"]), request.path_params["what"]
        if job is None:
            return self._gone()
        if what == "report":
            return JSONResponse(report(job["name"], job["photo"], job["options"]))
        if what == "insight":
            return JSONResponse(self.insight())
        if what == "contact-sheet":
            sheet = io.BytesIO()
            Image.new("RGB", (300, 100), "teal").save(sheet, "PNG")
            return Response(sheet.getvalue(), media_type="image/png", headers=_named("contact-sheet.png"))
        return Response(protected(job["data"]), media_type="image/jpeg", headers=_named(job["name"]))

    async def _zip(self, request):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for job_id in request.query_params.getlist("job"):
                job = self.jobs[job_id]
                archive.writestr(job["name"], protected(job["data"]))
        return Response(packed.getvalue(), media_type="application/zip", headers=_named("photos.zip"))


def _named(name):
    return {"Content-Disposition": f'attachment; filename="{name}"'}


class _Guard:
    """Sets the content security policy, checks the key where one is needed, and lists all requests."""

    def __init__(self, app, stub):
        self.app, self.stub = app, stub

    async def __call__(self, scope, receive, send):
        headers = dict(scope["headers"])
        self.stub.seen.append((scope["method"], scope["path"]))

        async def with_policy(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
            await send(message)

        key = self.stub.key
        app = self.app
        if key and scope["path"].startswith("/v1") and headers.get(b"authorization") != f"Bearer {key}".encode():
            app = problem(401, "this service needs a key")
        await app(scope, receive, with_policy)
