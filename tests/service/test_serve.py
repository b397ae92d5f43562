"""The service as people start it: in processes of its own, on a real socket, ended by signals."""

import io
import json
import os
import runpy
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from recessive.cli import main
from recessive.options import ServiceOptions
from recessive.service import serve as service

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
_process = runpy.run_path(str(BENCHMARKS / "service_process.py"))
Service, Client = _process["Service"], _process["Client"]


def ended(pid):
    """Whether a process is no more, or only waits for its parent to hear of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(happened, within=120):
    """Wait for something that another process does."""
    end = time.monotonic() + within
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A service without workers."""
    with Service(tmp_path_factory.mktemp("service"), "--workers", "0") as started:
        yield started


@pytest.fixture(scope="module")
def scene():
    """A small photo."""
    levels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels).resize((128, 96)).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def client(running):
    with Client(running.url) as connected:
        yield connected


def test_it_answers_as_soon_as_it_says_where(running, client):
    assert running.url == f"http://127.0.0.1:{urlsplit(running.url).port}"
    health = client.ask("GET", "/health").json
    assert health == {"status": "no workers", "database": True, "workers": 0, "waiting": 0, "running": 0}
    assert client.ask("GET", "/").status == 200


def test_its_files_are_for_its_user_alone(running):
    folder = running.folder / "service"
    assert oct(folder.stat().st_mode)[-3:] == "700"
    assert oct((folder / "jobs.sqlite3").stat().st_mode)[-3:] == "600"


def test_it_does_not_say_what_it_runs_on(client):
    headers = client.ask("GET", "/health").headers
    assert "server" not in headers
    assert "uvicorn" not in str(headers).lower()


def test_a_head_without_end_is_refused_and_not_kept(running):
    parts, begin = urlsplit(running.url), running.memory()
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=30) as connection,
        pytest.raises(ConnectionError),  # it hangs up
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 50_000_000)
    assert running.memory() - begin < 15  # MiB


def test_the_same_port_is_not_taken_twice(running, capsys, tmp_path):
    port = urlsplit(running.url).port
    assert main(["serve", "--port", str(port), "--folder", str(tmp_path / "other")]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"recessive: cannot listen on 127.0.0.1, port {port}: another program listens there already; "
        "choose another --port, or 0 for any free port\n"
    )
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("203.0.113.1", "cannot listen on 203.0.113.1, port 0: this machine does not have this address"),
        ("no such host", "no such host is not a known address; choose another --host"),
    ],
)
def test_an_address_that_is_none_of_ours_is_said(host, said, capsys, tmp_path):
    assert main(["serve", "--host", host, "--port", "0", "--folder", str(tmp_path / "other")]) == 2
    assert capsys.readouterr().err.startswith(f"recessive: {said}")


def test_a_gallery_that_is_not_there_is_said_before_any_photo_fails_of_it(capsys, tmp_path):
    gallery = tmp_path / "gallery"
    assert main(["serve", "--port", "0", "--folder", str(tmp_path / "other"), "--gallery", str(gallery)]) == 2
    said = capsys.readouterr().err
    assert said == f"recessive: {gallery}: is not a folder of photos to search; choose another --gallery, or none\n"


def test_other_machines_are_let_in_only_with_a_key(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("RECESSIVE_DATABASE_URL", raising=False)
    folder = tmp_path / "service"
    for host in ("0.0.0.0", "::"):  # noqa: S104
        assert main(["serve", "--host", host, "--port", "0", "--folder", str(folder)]) == 2
        head, _, command = capsys.readouterr().err.rstrip("\n").partition("create one first: ")
        assert head == f"recessive: other machines can reach {host}, so a key is needed; "
        assert command == f"recessive keys add NAME --folder {folder}"

    # what it said is what helps
    assert main(shlex.split(command)[1:]) == 0
    token = capsys.readouterr().out.strip()
    with Service(tmp_path, "--host", host, "--workers", "0") as started, Client(started.url) as client:
        assert client.ask("GET", "/v1/jobs").status == 401
        assert client.ask("GET", "/v1/jobs", headers={"Authorization": f"Bearer {token}"}).status == 200
        assert started.stop(signal.SIGINT) == 0
    assert started.log.read_text() == ""


def test_the_command_that_makes_a_key_does_not_tell_the_password(monkeypatch):
    url = "postgresql://me:secret@here/jobs"
    monkeypatch.setenv("RECESSIVE_DATABASE_URL", url)
    settings = ServiceOptions(host="192.0.2.1", folder=Path("a folder"), database_url=url)
    assert service._needs_key(settings).endswith(": recessive keys add NAME --folder 'a folder'")
    monkeypatch.delenv("RECESSIVE_DATABASE_URL")
    assert service._needs_key(settings).endswith(": recessive keys add NAME --folder 'a folder' --database-url URL")


def test_it_ends_in_good_order_when_it_is_told_to(tmp_path, scene):
    with Service(tmp_path, "--workers", "0") as started:
        parts = urlsplit(started.url)
        with Client(started.url) as client:
            job = client.send("a.jpg", scene).json
        with socket.create_connection((parts.hostname, parts.port), timeout=30) as stream:
            # a page that follows a job which nobody works on
            stream.sendall(f"GET {job['links']['events']} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            assert stream.recv(65_536).startswith(b"HTTP/1.1 200 ")
            assert started.stop() == 0
            while stream.recv(65_536):
                pass
    assert started.log.read_text() == ""  # so nothing had to be cut off
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port), timeout=5)


def test_killed_while_it_works_it_loses_nothing(tmp_path, scene):
    options = ("--workers", "1")
    fields = [("steps", "2"), ("encoder", "conv-gem")]
    with Service(tmp_path, *options) as started:
        with Client(started.url) as client:
            sent = [client.send(f"{number}.jpg", scene, fields).json["id"] for number in range(3)]
            until(lambda: client.ask("GET", f"/v1/jobs/{sent[0]}").json["state"] == "running")
        workers = started.workers()
        assert len(workers) == 1
        os.kill(started.process.pid, signal.SIGKILL)
        until(lambda: all(ended(pid) for pid in workers))  # they do not go on without it
    with Service(tmp_path, *options) as again, Client(again.url) as client:
        until(lambda: {client.ask("GET", f"/v1/jobs/{job}").json["state"] for job in sent} == {"done"})
        jobs = client.ask("GET", "/v1/jobs").json["jobs"]
        assert sorted(job["id"] for job in jobs) == sorted(sent)
        assert all(client.ask("GET", job["links"]["photo"]).status == 200 for job in jobs)
        originals = tmp_path / "service" / "originals"
        until(lambda: not list(originals.iterdir()))  # a moment after the job is done
    assert "Traceback" not in started.log.read_text()


def test_the_figures_of_the_benchmark_add_up(tmp_path):
    ran = subprocess.run(
        [
            sys.executable, BENCHMARKS / "service_load.py", "--json", "--photos", "6", "--clients", "3", "--steps", "1",
            "--database", "sqlite", "--kill-every", "0", "--workers", "1", "--limit", "120",
        ],
        check=True, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    (run,) = map(json.loads, ran.stdout.splitlines())
    counts = ("accepted", "done", "lost", "duplicated", "kills", "refused", "wrong_files")
    assert [run[name] for name in counts] == [6, 6, 0, 0, 0, 0, 0]
    assert run["received"] == run["delivered"]
    assert 0 < run["p50_ms"] <= run["p99_ms"] <= run["max_ms"]
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind
