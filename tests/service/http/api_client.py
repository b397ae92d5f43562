"""The service without a server, clients of it, and photos to send; and, where it matters, with a real server."""

import io
import runpy
import shutil
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from recessive.options import ServiceOptions
from recessive.service.http import short_cache
from recessive.service.http.app import create_app
from recessive.service.store.database import Database
from recessive.service.store.keys import Keys

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]
HERE = "http://127.0.0.1:8000"
REPORT = {
    "input": "a.jpg",
    "output": "a.jpg",
    "method": "vanish",
    "encoders": ["conv-gem"],
    "budget": 8.0,
    "norm": "linf",
    "steps": 20,
    "seconds": 1.5,
    "width": 64,
    "height": 48,
    "linf": 8.0,
    "psnr": 38.5,
    "ssim": 0.97,
    "hidden": True,
    "hidden_unseen": False,
    "gallery": "reference",
    "gallery_photos": 4012,
    "per_encoder": [],
    "keypoints": None,
    "verdict": "hidden from conv-gem",
    "notes": [],
    "skipped": False,
}
RESULT = {"rank": 1, "kind": "part", "box": [0.0, 0.2, 0.6, 0.6], "mirrored": False, "distance": 0.25}
INSIGHT = {
    "encoder": "conv-gem",
    "heat": {"before": [[1.0]], "after": [[0.0]]},
    "search": {"photos": 4012, "rank_before": 1, "rank_after": 2210, "before": [RESULT], "after": [RESULT]},
}


def encoded(format_="JPEG", width=64, height=48, seed=0, **options):
    """A photo in a file of that format."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(levels).save(out, format_, **options)
    return out.getvalue()


JPEG = encoded()


def multipart(*parts, boundary=b"XxX", end=b"--\r\n"):
    """A form of (headers, content) as bytes, exactly so."""
    body = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head, content) for head, content in parts)
    return body + b"--" + boundary + end


def photo_part(content=JPEG, name=b"a.jpg"):
    return b'Content-Disposition: form-data; name="photo"; filename="%b"' % name, content


def option_part(name, value):
    return b'Content-Disposition: form-data; name="%b"' % name, value


FORM = {"Content-Type": "multipart/form-data; boundary=XxX"}


@dataclass
class Service:
    """The app with its queue, and a client on this machine."""

    app: object
    client: TestClient
    keys: Keys
    queue: object

    @property
    def dependencies(self):
        return self.app.state.dependencies

    def send(self, content=JPEG, name="a.jpg", *, options=None, key=None, **headers):
        """Upload a photo."""
        files = {"photo": (name, content)}
        headers = {name.replace("_", "-"): value for name, value in headers.items()} | bearer(key)
        return self.client.post("/v1/jobs", files=files, data=options or {}, headers=headers)

    def get(self, path, key=None, **headers):
        return self.client.get(path, headers=bearer(key) | headers)

    def finish(self, job_id, content=JPEG, suffix=".jpg", **changes):
        """Do what a worker does."""
        claim = self.queue.claims.claim("worker")
        assert claim.job.id == job_id
        folder = self.dependencies.storage.result_folder(job_id, claim.token)
        (folder / f"photo{suffix}").write_bytes(content)
        (folder / "contact-sheet.png").write_bytes(encoded("PNG"))
        values = {"report": REPORT, "insight": INSIGHT, "expires": time.time() + 3600}
        values |= {"result": f"{folder.name}/photo{suffix}", "sheet": f"{folder.name}/contact-sheet.png"}
        assert self.queue.claims.finish(claim, **{**values, **changes})

    def fail(self, job_id, error="is damaged"):
        claim = self.queue.claims.claim("worker")
        assert claim.job.id == job_id
        assert self.queue.claims.fail(claim, error, expires=time.time() + 3600)

    def done(self, *, name="a.jpg", options=None, key=None, **changes):
        """The id of a photo that is sent and protected."""
        job_id = self.send(name=name, options=options, key=key).json()["id"]
        self.finish(job_id, **changes)
        return job_id

    def files(self):
        """All that the service holds of photos."""
        storage = self.dependencies.storage
        folders = (storage.incoming, storage.originals, storage.results)
        return sorted(path.name for folder in folders for path in folder.rglob("*") if path.is_file())


def bearer(key):
    return {} if key is None else {"Authorization": f"Bearer {key}"}


@pytest.fixture
def serve(tmp_path, migrated, monkeypatch):
    """Makes a service with a SQLite database, or the one given, and those settings. It forgets at once."""
    monkeypatch.setattr(short_cache, "HOLDS", -1.0)
    with ExitStack() as stack:

        def make(database=None, **settings):
            settings = ServiceOptions(**{"folder": tmp_path / "service", **settings})
            if database is None:
                settings.folder.mkdir(exist_ok=True)
                shutil.copy(migrated, settings.folder)
                database = stack.enter_context(Database(settings.url))
            app = create_app(settings, database)
            client = stack.enter_context(TestClient(app, base_url=HERE))
            queue = Queue(database)
            queue.inbox, queue.reader = app.state.dependencies.inbox, app.state.dependencies.reader
            return Service(app, client, Keys(database), queue)

        yield make


@pytest.fixture
def service(serve):
    return serve()


class _Server(uvicorn.Server):
    """Ends event streams when it stops, as `recessive serve` does."""

    async def shutdown(self, sockets=None):
        self.config.app.state.dependencies.watcher.close()
        await super().shutdown(sockets)


@contextmanager
def listening(app, **config):
    """A real server on this machine, in a thread; its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    config = {"log_level": "warning", "lifespan": "off", "ws": "none", **config}
    server = _Server(uvicorn.Config(app, **config))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        assert not thread.is_alive()
