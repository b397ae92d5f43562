"""The service under load: many clients send photos at once while workers are killed.

    python benchmarks/service_load.py --json
    python benchmarks/service_load.py --photos 20 --clients 5 --database sqlite

For SQLite and PostgreSQL, with and without a worker killed every --kill-every seconds, a service is started by its
command, clients send different photos one after another without pause, and every job is followed to its end through the
API. Three sources then tell whether each accepted photo was done, and done once: the history of each job in the
database, the files that are served (complete, with the size and the largest change that the report states), and a
delivery target that counts. The protection is a quick one, since the figures are about the service.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import os
import runpy
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from service_process import Client, Service
from service_surroundings import LONG_SIDE, Killer, Sink, photos_of

from recessive.service.store.database import Database
from recessive.service.store.reading import JobReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FINAL = {"done", "failed", "cancelled"}


@dataclass
class Sent:
    """The outcome of the requests: the number of the photo of each accepted job, and how long each request took."""

    jobs: dict[str, int] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def send(url: str, photos: list[bytes], clients: int, fields: list[tuple[str, str]]) -> Sent:
    """Send photos with so many clients, each with a connection of its own and one photo at a time."""
    sent, turns, lock = Sent(), iter(enumerate(photos)), threading.Lock()
    together = threading.Barrier(clients)

    def work() -> None:
        with Client(url) as client:
            client.ask("GET", "/health")  # which opens the connection
            together.wait()
            while (turn := _next(turns, lock)) is not None:
                number, photo = turn
                begin = time.perf_counter()
                answer = client.send(_name(number), photo, fields, key=f"photo-{number}")
                taken = time.perf_counter() - begin
                with lock:
                    sent.seconds.append(taken)
                    if answer.status == 202:
                        sent.jobs[answer.json["id"]] = number
                    else:
                        sent.refused.append(answer.status)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sent


def _next(turns: Iterator[tuple[int, bytes]], lock: threading.Lock) -> tuple[int, bytes] | None:
    with lock:
        return next(turns, None)


def _name(number: int) -> str:
    return f"photo-{number:04}.jpg"


def follow(url: str, limit: float) -> dict[str, dict[str, Any]]:
    """All jobs, as soon as they and their deliveries are final, or when the time is over."""
    until = time.monotonic() + limit
    with Client(url) as client:
        while True:
            jobs = listed(client)
            over = all(job["state"] in FINAL and _settled(job["delivery"]) for job in jobs.values())
            if over or time.monotonic() > until:
                return jobs
            time.sleep(1)


def _settled(delivery: dict[str, Any] | None) -> bool:
    return delivery is None or delivery["state"] != "waiting"


def listed(client: Client) -> dict[str, dict[str, Any]]:
    """All jobs, page by page."""
    jobs, cursor = {}, ""
    while True:
        page = client.ask("GET", f"/v1/jobs?limit=100{cursor}").json
        jobs |= {job["id"]: job for job in page["jobs"]}
        if not page["next"]:
            return jobs
        cursor = f"&before={page['next']}"


@dataclass(frozen=True)
class Run:
    """A database, with its URL unless it is SQLite, and the seconds between two kills, 0 for none."""

    database: str
    url: str | None
    kill_every: float


def measure(run: Run, photos: list[bytes], arguments: argparse.Namespace) -> dict[str, Any]:
    """One run: a fresh service, all photos, and the figures."""
    folder = Path(tempfile.mkdtemp(prefix="recessive-load-"))
    try:
        with Sink() as sink:
            options = ["--workers", str(arguments.workers), "--queue", str(len(photos)), "--deliver-to", sink.url]
            fields = [("encoder", name) for name in arguments.encoder]
            fields += [("steps", str(arguments.steps)), ("deliver_to", f"{sink.url}photos")]
            with Service(folder, *options, database_url=run.url) as service:
                service.wait_for_workers(arguments.workers)
                begin = time.monotonic()
                with Killer(service, run.kill_every) as killer:
                    sent = send(service.url, photos, arguments.clients, fields)
                    uploaded = time.monotonic()
                    jobs = follow(service.url, arguments.limit)
                ended = time.monotonic()
                wrong = wrong_files(service.url, jobs, sent, photos, sink)
                with Database(service.database_url) as database:
                    times_done = _times_done(JobReader(database), jobs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    done = {name for name, job in jobs.items() if job["state"] == "done"}
    made = Counter(job["name"] for job in jobs.values())
    again = {job["name"] for name, job in jobs.items() if times_done[name] > 1 or made[job["name"]] > 1}
    return {
        "database": run.database,
        "accepted": len(sent.jobs),
        "done": len(done),
        "lost": len(sent.jobs.keys() - done),
        "duplicated": len(again),
        "p50_ms": _percentile(sent.seconds, 0.50),
        "p99_ms": _percentile(sent.seconds, 0.99),
        "max_ms": _percentile(sent.seconds, 1.0),
        "kills": killer.kills,
        "refused": len(sent.refused),
        "wrong_files": wrong,
        "delivered": sum((job["delivery"] or {}).get("state") == "delivered" for job in jobs.values()),
        "received": len(sink.times),
        "received_again": sink.times.total() - len(sink.times),
        "attempts": dict(sorted(Counter(job["attempts"] for job in jobs.values()).items())),
        "upload_seconds": round(uploaded - begin, 1),
        "seconds": round(ended - begin, 1),
        "protocol": _protocol(arguments, run),
    }


def wrong_files(url: str, jobs: dict[str, dict[str, Any]], sent: Sent, photos: list[bytes], sink: Sink) -> int:
    """The number of served photos that differ from their reports, or from what was delivered."""
    wrong = 0
    with Client(url) as client:
        for name, job in jobs.items():
            if job["state"] == "done" and name in sent.jobs:
                original, delivered = photos[sent.jobs[name]], sink.digests.get(name)
                wrong += not _right(client, job, original, delivered)
    return wrong


def _right(client: Client, job: dict[str, Any], original: bytes, delivered: str | None) -> bool:
    photo, report = (client.ask("GET", job["links"][name]) for name in ("photo", "report"))
    if photo.status != 200 or report.status != 200:
        return False
    with Image.open(io.BytesIO(photo.body)) as after, Image.open(io.BytesIO(original)) as before:
        new, old = (np.asarray(image.convert("RGB"), np.int16) for image in (after, before))
    said = report.json
    return (
        new.shape == (said["height"], said["width"], 3)
        and int(np.abs(new - old).max()) == round(said["linf"])
        and delivered in (None, hashlib.sha256(photo.body).hexdigest())
    )


def _times_done(reader: JobReader, ids: Iterable[str]) -> dict[str, int]:
    """How often each job was done, according to the history that is written with each change."""
    return {name: sum(state == "done" for _, state, _ in reader.history(name)) for name in ids}


def _percentile(values: list[float], share: float) -> float | None:
    """The smallest value in milliseconds that this share of the values does not exceed."""
    return round(1000 * sorted(values)[max(0, math.ceil(share * len(values)) - 1)], 1) if values else None


def _protocol(arguments: argparse.Namespace, run: Run) -> str:
    killed = f"a worker killed every {run.kill_every:g} s" if run.kill_every else "no worker killed"
    photos = f"photos of {arguments.root.name}" if arguments.root else "drawn photos"
    return (
        f"{arguments.photos} {photos} of {LONG_SIDE} px by {arguments.clients} clients, {arguments.workers} workers, "
        f"{killed}; quick protection: {' '.join(arguments.encoder)}, {arguments.steps} steps; clients, service, "
        f"workers and database on one machine with {os.cpu_count()} cores; every commit reaches the disk"
    )


def runs(arguments: argparse.Namespace, stack: ExitStack) -> Iterator[Run]:
    """Each database, for each of --kill-every."""
    for kind in arguments.database:
        if kind == "sqlite":
            yield from (Run(kind, None, pause) for pause in arguments.kill_every)
            continue
        try:
            helper = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "service" / "postgres.py"))
            server = stack.enter_context(helper["Postgres"](fsync="on"))
        except FileNotFoundError as error:
            print(json.dumps({"database": kind, "skipped": str(error)}), flush=True)
            continue
        yield from (Run(kind, server.url(f"load_{place}"), pause) for place, pause in enumerate(arguments.kill_every))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--photos", type=int, default=200)
    made.add_argument("--clients", type=int, default=20)
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--root", type=Path, help="a folder of photos to use instead of drawn ones")
    made.add_argument("--database", nargs="+", choices=["sqlite", "postgresql"], default=["sqlite", "postgresql"])
    made.add_argument(
        "--kill-every", nargs="+", type=float, default=[0, 10], help="seconds between kills, a run for each; 0 for none"
    )
    made.add_argument("--encoder", nargs="+", default=["conv-gem"])
    made.add_argument("--steps", type=int, default=10)
    made.add_argument("--limit", type=float, default=1800, help="seconds after which a run ends")
    made.add_argument("--json", action="store_true", help="print one JSON object for each run")
    return made


def main() -> None:
    arguments = parser().parse_args()
    photos = photos_of(arguments.root, arguments.photos)
    with ExitStack() as stack:
        for run in runs(arguments, stack):
            result = measure(run, photos, arguments)
            print(json.dumps(result) if arguments.json else _lines(result), flush=True)


def _lines(result: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in result.items()) + "\n"


if __name__ == "__main__":
    main()
