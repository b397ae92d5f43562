"""The service under malformed requests and files.

    python benchmarks/malformed_requests.py --json
    python benchmarks/malformed_requests.py --requests 1000

A service is started by its command and receives --requests requests in rounds: valid and invalid ones that
schemathesis generates from the OpenAPI document of the service; broken photos; odd forms; and bytes that are barely
HTTP. The output counts responses by status, those above 499, and requests without a response in time. It also tells
whether server and worker are still the same processes, how many tracebacks are in their log, what is left in the folder
of incoming uploads, and the memory of the server after each round.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import socket
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisException
from malformed_bytes import odd_bytes
from malformed_forms import odd_forms
from malformed_photos import broken_photos
from requests.exceptions import InvalidHeader, RequestException
from service_process import Answer, Client, Service

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 10
PASSES = 3  # through the operations in a round: some have only one possible request, and leave more to the others
PATIENCE = 15  # seconds to wait for a response
WAITS_FOR_MORE = 0.5  # seconds of silence after which the service is taken to wait for more
KEPT = 40  # accepted photos, broken or not, that are left to the worker; the others are deleted


class Account:
    """What was sent, and how it was answered."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.failures: list[str] = []

    @property
    def requests(self) -> int:
        """The number of requests so far."""
        return self.kinds.total()

    def note(self, kind: str, status: int | str, what: str) -> None:
        """Record a request and its status, "closed" or "no answer"."""
        self.kinds[kind] += 1
        self.statuses[str(status)] += 1
        if status == "no answer" or (isinstance(status, int) and status >= 500):
            self.failures.append(f"{kind}: {status}: {what}"[:500])


class Attack:
    """All kinds of requests against one service."""

    def __init__(self, service: Service, chance: random.Random) -> None:
        self.service, self.account = service, Account()
        self.accepted: list[str] = []
        self._chance = chance
        self._photos, self._forms = broken_photos(chance), odd_forms(chance)
        parts = urlsplit(service.url)
        self._address = (parts.hostname, parts.port)
        self._bytes = odd_bytes(chance, parts.netloc)
        self._client = Client(service.url, PATIENCE)
        self._session = requests.Session()
        self._schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._session.close()

    def generated(self, number: int, of_round: int) -> None:
        """Send about so many requests generated from the OpenAPI document, spread over operations and modes."""
        due = self.account.requests + number
        operations = [result.ok() for result in self._schema.get_all_operations()]
        asked = [(operation, mode) for operation in operations for mode in schemathesis.GenerationMode]
        for place in range(PASSES):
            each = max(1, (due - self.account.requests) // len(asked))
            for operation, mode in asked:
                if self.account.requests >= due:
                    return
                known = self._known(operation)
                try:
                    strategy = operation.as_strategy(generation_mode=mode, **known)
                    self._draw(strategy, each, PASSES * of_round + place, operation.label)
                except (HypothesisException, schemathesis.errors.SchemathesisError):
                    continue  # there is nothing to negate, or nothing to choose

    def _known(self, operation: Any) -> dict[str, Any]:  # noqa: ANN401 - schemathesis does not name its types
        """Sometimes the id of an existing job: most generated ids are unknown."""
        names = [parameter.name for parameter in operation.path_parameters]
        if len(names) != 1 or not self.accepted or operation.method.upper() == "DELETE" or self._chance.random() < 0.5:
            return {}
        return {"path_parameters": {names[0]: self._chance.choice(self.accepted)}}

    def _draw(self, strategy: Any, number: int, chance: int, label: str) -> None:  # noqa: ANN401 - likewise
        @seed(chance)
        @settings(
            max_examples=number,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: Any) -> None:  # noqa: ANN401 - likewise
            try:
                answer = case.call(session=self._session, timeout=PATIENCE)
            except InvalidHeader:
                return  # the client library refuses to send it
            except (RequestException, http.client.HTTPException, UnicodeError, ValueError) as error:
                self.account.note("generated", _unanswered(error), label)
            else:
                self.account.note("generated", answer.status_code, label)

        ask()

    def broken_photo(self) -> None:
        """Send one broken photo in a valid form."""
        kind, photo = next(self._photos)
        fields = [("steps", "1"), ("encoder", "conv-gem")]
        self._noted(f"photo, {kind}", lambda: self._client.send("a.jpg", photo, fields))

    def odd_form(self) -> None:
        """Send one odd form."""
        kind, headers, body = next(self._forms)
        self._noted(f"form, {kind}", lambda: self._client.ask("POST", "/v1/jobs", body, headers))

    def _noted(self, kind: str, ask: Callable[[], Answer]) -> None:
        try:
            answer = ask()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._client.close()
            self.account.note(kind, _unanswered(error), type(error).__name__)
            return
        self.account.note(kind, answer.status, answer.body.decode("utf-8", "replace"))
        if answer.status == 202:
            job = answer.json["id"]
            if len(self.accepted) < KEPT:
                self.accepted.append(job)
            else:
                self._client.ask("DELETE", f"/v1/jobs/{job}")

    def odd_bytes(self) -> None:
        """Send odd bytes on a new connection."""
        kind, data = next(self._bytes)
        with socket.create_connection(self._address, timeout=PATIENCE) as connection:
            status: int | str = "closed"
            with suppress(ConnectionError):
                connection.sendall(data)
            with suppress(ConnectionError, ValueError, IndexError):
                try:
                    first = _first_answer(connection).split(b"\r\n", 1)[0].split(b" ")
                    status = int(first[1]) if first[0].startswith(b"HTTP/") else status
                except TimeoutError:
                    status = "no answer"
        self.account.note(f"bytes, {kind}", status, "")


def _first_answer(connection: socket.socket) -> bytes:
    """The first response; if the service waits for more, the sending side is closed first."""
    try:
        connection.settimeout(WAITS_FOR_MORE)
        return connection.recv(65_536)
    except TimeoutError:
        connection.settimeout(PATIENCE)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(65_536)


def _unanswered(error: Exception) -> str:
    """Whether the service closed the connection or let the client wait."""
    return "no answer" if isinstance(error, TimeoutError | requests.Timeout) else "closed"


def run(service: Service, number: int, chance: random.Random, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run all rounds, and return the figures."""
    service.wait_for_workers(1)
    processes = (service.process.pid, service.workers())
    attack = Attack(service, chance)
    try:
        memory = [service.memory()]
        begin = time.monotonic()
        for place in range(1, ROUNDS + 1):
            due = number * place // ROUNDS
            attack.generated((due - attack.account.requests) // 2, place)
            while attack.account.requests < due:
                chance.choices((attack.broken_photo, attack.odd_form, attack.odd_bytes), (5, 3, 1))[0]()
            memory.append(service.memory())
            progress(f"{attack.account.requests} requests, {memory[-1]:.0f} MiB")
        seconds = time.monotonic() - begin
        ends = _ends(attack.accepted, service.url)
    finally:
        attack.close()
    account, log = attack.account, service.log.read_text(encoding="utf-8", errors="replace")
    return {
        "requests": account.requests,
        "statuses": dict(sorted(account.statuses.items())),
        "above_499": sum(count for status, count in account.statuses.items() if status.isdigit() and int(status) > 499),
        "no_answer": account.statuses["no answer"],
        "crashes": int(service.process.poll() is not None) + sum(pid not in service.workers() for pid in processes[1]),
        "tracebacks": log.count("Traceback (most recent call last)"),
        "memory_mib": {"before": memory[0], "after_a_fifth": memory[ROUNDS // 5], "after": memory[-1]},
        "memory_each_round_mib": memory,
        "incoming_left": len(list((service.folder / "service" / "incoming").iterdir())),
        "accepted_followed": dict(ends),
        "kinds": dict(account.kinds.most_common()),
        "failures": account.failures[:20],
        "seconds": round(seconds, 1),
        "protocol": (
            f"schemathesis {schemathesis.__version__} on the service's document, broken photos, odd forms and bytes; "
            f"one connection at a time, SQLite, one worker, {os.cpu_count()} cores"
        ),
    }


def _ends(jobs: list[str], url: str) -> Counter[str]:
    """The final states of the accepted photos; none should be "running" or "waiting"."""
    until = time.monotonic() + 300
    with Client(url) as client:
        while True:
            answers = [client.ask("GET", f"/v1/jobs/{job}") for job in jobs]
            states = Counter(answer.json["state"] if answer.status == 200 else "deleted" for answer in answers)
            if not states["waiting"] + states["running"] or time.monotonic() > until:
                return states
            time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="recessive-malformed-"))
    try:
        options = ["--workers", "1", "--max-megabytes", "1", "--queue", "100000"]
        with Service(folder, *options) as service:
            quiet = (lambda _: None) if arguments.json else print
            result = run(service, arguments.requests, random.Random(arguments.seed), quiet)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(result) if arguments.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
