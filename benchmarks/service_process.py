"""A service in its own processes, started by its command: for benchmarks and tests that query, kill and measure it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BOUNDARY = "recessive-benchmark"
STARTING = 120  # seconds that a service gets to listen, and its workers to report
ENDING = 30  # seconds that a service gets to stop


class Answer(NamedTuple):
    """A response of the service, read completely."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """One persistent connection, opened again when the service has closed it."""

    def __init__(self, url: str, timeout: float = 60) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request, and once more if the persistent connection turns out to be closed."""
        for last in (False, True):
            try:
                self._connection.request(method, path, body, dict(headers or {}))
                answer = self._connection.getresponse()
                return Answer(answer.status, answer.headers, answer.read())
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._connection.close()
                if last:
                    raise
        raise AssertionError

    def send(self, name: str, photo: bytes, fields: Iterable[tuple[str, str]] = (), key: str | None = None) -> Answer:
        """Send a photo with options and an idempotency key."""
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        if key:
            headers["Idempotency-Key"] = key
        return self.ask("POST", "/v1/jobs", form(name, photo, fields), headers)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Service:
    """`recessive serve` on a free port of the loopback, until the block ends.

    Args:
        folder: the folder for its files and its log.
        options: options of the command.
        database_url: the URL of the database; SQLite if None.
    """

    def __init__(self, folder: Path, *options: str, database_url: str | None = None) -> None:
        self.folder, self.log = folder, folder / "log"
        self.command = [sys.executable, "-m", "recessive", "serve", "--json", "--port", "0", *options]
        self.command += ["--folder", str(folder / "service")]
        self.environment = {**os.environ, "RECESSIVE_DATABASE_URL": database_url or ""}
        if not database_url:
            del self.environment["RECESSIVE_DATABASE_URL"]
        self.database_url = database_url or f"sqlite:///{folder / 'service' / 'jobs.sqlite3'}"

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - ourselves
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        too_late = threading.Timer(STARTING, self.process.kill)
        too_late.start()
        line = self.process.stdout.readline() if self.process.stdout else b""
        too_late.cancel()
        if not line:  # it ended without one
            self.stop()
            raise RuntimeError(f"the service did not start: {self.log.read_text()}")
        self.url: str = json.loads(line)["url"]
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the service, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout:
                self.process.stdout.close()

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        return [pid for pid, parent in _parents() if parent == self.process.pid and b"worker" in _command(pid)]

    def wait_for_workers(self, number: int, within: float = STARTING) -> None:
        """Wait until so many workers have reported to the database."""
        until = time.monotonic() + within
        with Client(self.url) as client:
            while (health := client.ask("GET", "/health").json)["workers"] < number:
                if time.monotonic() > until:
                    raise RuntimeError(f"{health['workers']} of {number} workers reported within {within} s")
                time.sleep(0.2)

    def memory(self) -> float:
        """The memory of the server process alone, in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kilobytes) / 1024


def form(name: str, photo: bytes, fields: Iterable[tuple[str, str]] = ()) -> bytes:
    """A photo and options as multipart/form-data."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n' for field, value in fields
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="{quote(name, safe=" ")}"\r\n'
    return ("".join(parts) + head + "\r\n").encode() + photo + f"\r\n--{BOUNDARY}--\r\n".encode()


def _parents() -> list[tuple[int, int]]:
    """All processes, each with the process that started it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may hold anything; what follows it is the state and the parent.
            found.append((int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])))
        except (OSError, IndexError, ValueError):
            continue  # it has ended in the meantime
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
