"""The worker processes of a server: started, started again when they die, and ended with the server."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from typing import Self

from recessive.backoff import backoff
from recessive.options import ServiceOptions, dump
from recessive.service.work.worker import ENVIRONMENT

COMMAND = (sys.executable, "-m", "recessive.service.work.worker")
EARLY = 10.0  # seconds: a worker that dies sooner is expected to do so again
LONGEST_WAIT = 30.0  # seconds
GRACE = 15.0  # seconds that workers get to release their jobs
_log = logging.getLogger(__name__)


class Supervisor:
    """Runs `settings.workers` processes, each with a thread that waits for its end and starts the next one.

    The processes get their settings by environment. They end when this process does: their standard input is a pipe
    that the system then closes, even after kill -9.

    Args:
        settings: the settings of the service.
    """

    def __init__(self, settings: ServiceOptions) -> None:
        self._settings = settings
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._keep, args=(place,), name=f"worker {place + 1}", daemon=True)
            for place in range(settings.workers)
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """The ids of the running processes."""
        with self._lock:
            return [process.pid for process in self._running.values()]

    def start(self) -> None:
        """Start the processes; returns at once."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the processes: with SIGTERM, so that they release their jobs, and SIGKILL if they take too long."""
        with self._lock:
            self._closing.set()
            for process in self._running.values():
                process.terminate()
        until = time.monotonic() + GRACE
        started = [thread for thread in self._threads if thread.ident is not None]
        for thread in started:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            for process in self._running.values():
                process.kill()
        for thread in started:
            thread.join()

    def _keep(self, place: int) -> None:
        """Run one worker after another, until closing."""
        early = 0
        while not self._closing.is_set():
            began = time.monotonic()
            status = self._run(place)
            early = early + 1 if time.monotonic() - began < EARLY else 0
            wait = wait_before_next(early)
            if not self._closing.is_set():
                _log.warning("a worker ended with %s; the next one starts in %g s", status, wait)
            self._closing.wait(wait)

    def _run(self, place: int) -> str:
        """Run one worker until its end; how it ended."""
        with self._lock:
            if self._closing.is_set():
                return "nothing done"
            try:
                process = self._running[place] = _start_process(self._settings)
            except OSError as error:  # no memory, or too many processes
                return f"{error.strerror}"
        with process:  # closes the pipe after its end
            status = process.wait()
        with self._lock:
            del self._running[place]
        return f"status {status}"


def wait_before_next(early: int) -> float:
    """Seconds until a worker is started again: none, or 1, 2, 4, ... after 2, 3, 4, ... early deaths in a row."""
    return backoff(early - 2, 1.0, LONGEST_WAIT) if early > 1 else 0.0


def _start_process(settings: ServiceOptions) -> subprocess.Popen[bytes]:
    threads = max(1, (os.cpu_count() or 1) // settings.workers)
    environment = {
        "OMP_NUM_THREADS": str(threads),  # with more, workers would compete for the cores
        **os.environ,
        ENVIRONMENT: json.dumps(dump(settings)),
    }
    return subprocess.Popen(  # noqa: S603 - our own command
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the server, which ends its workers in good order
    )
