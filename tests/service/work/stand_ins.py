"""What stands in for the work on photos where a test is about jobs, and processes that are killed where a test wants.

Run as a program, it is such a process. It gets as globals `SETTINGS` (JSON), and `WAY` and `POINT`, a key of `POINTS`.
"""

import os
import signal
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

from recessive.exposure import EncoderAudit
from recessive.files import write_whole
from recessive.service.settings import ServiceSettings
from recessive.service.store import claims, deliveries
from recessive.service.store.jobs import Jobs
from recessive.service.store.storage import Storage
from recessive.service.work import making, protectors, worker
from recessive.service.work.run_worker import run_worker
from recessive.service.work.workers import Workers
from recessive.workflows import Failure, ProtectReport
from recessive.workflows.records import remember

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
    """In place of `protect_photos`: the "protected photo" says whose it is.

    Args:
        then: called with the original's path before the photo is saved; what it returns, a failure, is yielded.
        changes: of the report.
    """

    def __init__(self, then=lambda _: None, **changes):
        self.then, self.changes = then, changes

    def __call__(self, inputs, out, _protector, *, progress):
        (original,) = inputs
        for step in range(1, 4):
            progress(step / 4)
        failure = self.then(original)
        progress(1.0)
        if failure is not None:
            yield Failure(str(original), failure)
            return
        saved = out / original.name
        write_whole(saved, b"protected " + original.read_bytes())
        remember(saved, "asked", {"input": str(original)})
        yield report(input=str(original), output=str(saved), **self.changes)


class Protector:
    """In place of the real one."""

    def __init__(self, settings, **_):
        self.settings, self.searchers = settings, []


def install(put, protect):
    """Put all of them in their places, by `setattr` or what does the same."""
    put(making, "protect_photos", protect)
    put(making, "read_photo", lambda path: SimpleNamespace(pixels=len(path.read_bytes())))
    put(making, "look", lambda *_: None)
    put(making, "contact_sheet", lambda *_: b"sheet")
    put(protectors, "Protector", Protector)


POINTS = {
    ("doing", "claimed"): (Jobs, "claim", "after"),
    ("doing", "folder made"): (Storage, "result_folder", "after"),
    ("doing", "photo half written"): (os, "fsync", "before"),
    ("doing", "photo protected"): (making, "read_photo", "before"),
    ("doing", "sheet made"): (making, "contact_sheet", "after"),
    ("doing", "before it is recorded"): (Jobs, "finish", "before"),
    ("doing", "while it is recorded"): (claims, "end", "after"),
    ("doing", "recorded"): (Jobs, "finish", "after"),
    ("doing", "original deleted"): (Storage, "remove_original", "after"),
    ("failing", "before it is recorded"): (Jobs, "fail", "before"),
    ("failing", "recorded"): (Jobs, "fail", "after"),
    ("stopping", "before it is put back"): (Jobs, "release", "before"),
    ("stopping", "put back"): (Jobs, "release", "after"),
    ("delivering", "before it is recorded"): (Jobs, "delivered", "before"),
    ("delivering", "while it is recorded"): (deliveries, "settle", "after"),
    ("delivering", "recorded"): (Jobs, "delivered", "after"),
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
    settings, stop = ServiceSettings.model_validate_json(SETTINGS), threading.Event()  # noqa: F821 - given
    if WAY == "serving":  # noqa: F821
        with Workers(settings):
            stop.wait()
    elif WAY == "told to end":  # noqa: F821
        install(setattr, Protect(lambda _: wait_for(settings.folder / "go")))
        run_worker(settings)
    else:
        then = {"failing": lambda _: "no", "stopping": lambda _: stop.set()}.get(WAY, lambda _: None)  # noqa: F821
        install(setattr, Protect(then))
        kill_at(*POINTS[WAY, POINT])  # noqa: F821
        worker.work(settings, stop=stop, idle=0.01)
