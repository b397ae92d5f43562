"""What stands in for the work on photos where a test is about jobs, and processes that are killed where a test wants.

Run as a program, it is such a process. It gets as globals `SETTINGS` (JSON), and `WAY` and `POINT`, a key of `POINTS`.
"""

import json
import os
import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

from recessive.exposure import EncoderAudit
from recessive.options import ServiceOptions, read
from recessive.photos import PhotoError, format_of_path
from recessive.service.store import claims, deliveries
from recessive.service.store.claims import Claims
from recessive.service.store.deliveries import Deliveries
from recessive.service.store.storage import Storage
from recessive.service.work import processing, worker
from recessive.service.work.supervisor import Supervisor
from recessive.service.work.worker import run_worker
from recessive.workflows import Protected, ProtectReport

SEEN = EncoderAudit("conv-gem", True, 0.0, 0.5, 1, 50, 3, 0, 0.4, 4_000, True, {})
UNSEEN = replace(SEEN, name="depthwise-gem", seen=False, rank_after=1, hidden=False)
VERDICT = "Hidden from the encoders it was optimised against (conv-gem). Another encoder may still find it."


def report(**changes):
    values = {"input": "in.jpg", "output": "out.jpg", "method": "vanish", "encoders": ("conv-gem",), "budget": 8.0}
    values |= {"norm": "linf", "steps": 4, "seconds": 0.1, "width": 64, "height": 48, "linf": 8.0, "psnr": 30.0}
    values |= {"ssim": 0.9, "hidden": True, "hidden_unseen": False, "gallery": "reference", "gallery_photos": 4_000}
    values |= {"per_encoder": (SEEN, UNSEEN), "keypoints": None, "verdict": VERDICT, "notes": ()}
    return ProtectReport(**{**values, **changes})


class Protect:
    """In place of `protect_photo`: the "protected photo" says whose it is.

    Args:
        then: called with the original's path before the photo is saved; what it returns, an error, is raised.
        changes: of the report.
    """

    def __init__(self, then=lambda _: None, **changes):
        self.then, self.changes = then, changes

    def __call__(self, photo, _, *, progress):
        for step in range(1, 4):
            progress(step / 4)
        error = self.then(photo.path)
        progress(1.0)
        if error is not None:
            raise error
        data = b"protected " + photo.path.read_bytes()
        named = report(input=str(photo.path), output=str(photo.path), **self.changes)
        return Protected(data, format_of_path(photo.path), named)


class Protector:
    """In place of the real one."""

    def __init__(self, settings, **_):
        self.settings, self.searchers = settings, []


def install(put, protect):
    """Put all of them in their places, by `setattr` or what does the same."""
    put(processing, "protect_photo", protect)
    put(processing, "read_photo", lambda path: SimpleNamespace(path=path, pixels=len(path.read_bytes())))
    put(processing, "decode_photo", lambda data, _: SimpleNamespace(pixels=len(data)))
    put(processing, "explain", lambda *_: None)
    put(processing, "contact_sheet", lambda *_: b"sheet")
    put(processing, "Protector", Protector)


POINTS = {
    ("doing", "claimed"): (Claims, "claim", "after"),
    ("doing", "folder made"): (Storage, "result_folder", "after"),
    ("doing", "photo half written"): (os, "fsync", "before"),
    ("doing", "photo protected"): (processing, "decode_photo", "before"),
    ("doing", "sheet made"): (processing, "contact_sheet", "after"),
    ("doing", "before it is recorded"): (Claims, "finish", "before"),
    ("doing", "while it is recorded"): (claims, "end", "after"),
    ("doing", "recorded"): (Claims, "finish", "after"),
    ("doing", "original deleted"): (Storage, "remove_original", "after"),
    ("failing", "before it is recorded"): (Claims, "fail", "before"),
    ("failing", "recorded"): (Claims, "fail", "after"),
    ("stopping", "before it is put back"): (Claims, "release", "before"),
    ("stopping", "put back"): (Claims, "release", "after"),
    ("delivering", "before it is recorded"): (Deliveries, "delivered", "before"),
    ("delivering", "while it is recorded"): (deliveries, "settle", "after"),
    ("delivering", "recorded"): (Deliveries, "delivered", "after"),
}


def kill_at(owner, name, when):
    """Have this process killed before or after a call."""
    real = getattr(owner, name)

    def killed(*arguments, **options):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(*arguments, **options)
        if name != "claim" or done is not None:  # it is asked often before there is something to do
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(owner, name, killed)


def wait_for(path):
    """Until somebody makes that file."""
    while not path.exists():
        time.sleep(0.01)


if __name__ == "__main__":
    settings, stop = read(ServiceOptions, json.loads(SETTINGS)), threading.Event()  # noqa: F821 - given
    if WAY == "serving":  # noqa: F821
        with Supervisor(settings):
            stop.wait()
    elif WAY == "told to end":  # noqa: F821
        install(setattr, Protect(lambda _: wait_for(settings.folder / "go")))
        run_worker(settings)
    else:
        ways = {"failing": lambda original: PhotoError(original, "no"), "stopping": lambda _: stop.set()}
        then = ways.get(WAY, lambda _: None)  # noqa: F821
        install(setattr, Protect(then))
        kill_at(*POINTS[WAY, POINT])  # noqa: F821
        worker.work(settings, stop=stop, idle=0.01)
