"""The surroundings of a service in `service_load.py`: photos, a delivery target, and a killer of workers."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from pathlib import Path

    from service_process import Service

LONG_SIDE = 640
PHOTOS = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}


def drawn(number: int) -> bytes:
    """A different photo for each number: soft colours, edges and grain, with a file about as large as a real one."""
    generator = np.random.default_rng(number)
    height, width = (480, LONG_SIDE) if number % 3 else (LONG_SIDE, 480)

    def field_of(cells: int) -> Image.Image:
        coarse = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)

    soft, fine = (np.asarray(field_of(cells), np.float32) for cells in (5, 60))
    photo = 0.75 * soft + 0.2 * fine + generator.normal(0, 4, soft.shape)
    for _ in range(6):
        left, top = generator.integers(0, width - 80), generator.integers(0, height - 80)
        right, bottom = left + generator.integers(30, 80), top + generator.integers(30, 80)
        photo[top:bottom, left:right] = generator.integers(0, 256, 3)
    return _jpeg(Image.fromarray(photo.clip(0, 255).astype(np.uint8)))


def photos_of(root: Path | None, number: int) -> list[bytes]:
    """So many photos of the folder at 640 px, or as many drawn photos."""
    if root is None:
        return [drawn(place) for place in range(number)]
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in PHOTOS)
    if len(found) < number:
        raise SystemExit(f"{root} contains {len(found)} photos, not {number}: choose another --root, or fewer --photos")
    made = []
    for path in found[:: len(found) // number][:number]:
        with Image.open(path) as photo:
            upright = ImageOps.exif_transpose(photo).convert("RGB")
        scale = LONG_SIDE / max(upright.size)
        made.append(_jpeg(upright.resize((round(upright.width * scale), round(upright.height * scale)))))
    return made


def _jpeg(photo: Image.Image) -> bytes:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=90)
    return file.getvalue()


class Sink:
    """A delivery target that counts deliveries by idempotency key, and keeps the digest of each."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self.digests: dict[str, str] = {}
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers["Idempotency-Key"]
                sink.times[key] += 1
                sink.digests[key] = hashlib.sha256(body).hexdigest()
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/inbox/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Killer:
    """Kills a worker every so many seconds, in turn, until the block ends; none if `every` is 0."""

    def __init__(self, service: Service, every: float) -> None:
        self.kills = 0
        self._service, self._every = service, every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while self._every and not self._stopped.wait(self._every):
            workers = sorted(self._service.workers())
            if workers:
                os.kill(workers[self.kills % len(workers)], signal.SIGKILL)
                self.kills += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
