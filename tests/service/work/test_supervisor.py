import io
import json
import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from recessive.options import ServiceOptions, dump, read
from recessive.service.store.database import Database
from recessive.service.store.job import JobState
from recessive.service.store.storage import Storage
from recessive.service.work import supervisor, worker
from recessive.service.work.supervisor import Supervisor, wait_before_next
from recessive.service.work.worker import ENVIRONMENT, NICENESS

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]
_children = multiprocessing.get_context("forkserver")
_children.set_forkserver_preload(["recessive.service.work.worker"])  # once, and not for each that is killed
STAND_INS = str(Path(__file__).with_name("stand_ins.py"))
ENDS_WITH_ITS_PIPE = "import sys; sys.stdin.read()"


@pytest.fixture
def settings(tmp_path):
    return ServiceOptions(folder=tmp_path / "service", workers=2)


@pytest.fixture
def command(monkeypatch):
    """Has `Supervisor` start another program; waits between starts are left out unless asked for."""

    def replace(program, waits=lambda _: 0):
        monkeypatch.setattr(supervisor, "COMMAND", (sys.executable, "-S", "-E", "-c", program))
        monkeypatch.setattr(supervisor, "wait_before_next", waits)

    return replace


def until(condition):
    """Wait for it."""
    end = time.monotonic() + 150  # of a worker that comes after everybody else on the machine
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("it never came")


def runs(pid):
    """Whether there is such a process; one that nobody has asked for its status does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_worker_that_dies_is_replaced(settings, command):
    command(ENDS_WITH_ITS_PIPE)
    with Supervisor(settings) as workers:
        until(lambda: len(workers.pids) == 2)
        first, second = workers.pids
        os.kill(first, signal.SIGKILL)
        until(lambda: len(workers.pids) == 2 and first not in workers.pids)
        assert second in workers.pids
        everyone = workers.pids
    assert workers.pids == []
    assert not any(map(runs, everyone))


def test_waits_double_when_workers_die_at_once():
    assert [wait_before_next(early) for early in range(9)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_workers_that_die_at_once_are_counted_until_one_lives(settings, command, monkeypatch, caplog):
    counted, enough = [], threading.Event()

    def wait(early):
        counted.append(early)
        if len(counted) == 4:
            monkeypatch.setattr(supervisor, "EARLY", 0)  # from now on none dies early
        if len(counted) == 6:
            enough.set()
        return 0

    command("raise SystemExit(3)", wait)
    with Supervisor(replace(settings, workers=1)):
        assert enough.wait(60)
    assert counted[:4] == [1, 2, 3, 4]
    assert counted[5] == 0
    assert "a worker ended with status 3; the next one starts in 0 s" in caplog.text


def test_it_closes_at_once_while_a_worker_is_waited_for(settings, command):
    command("raise SystemExit(3)", lambda _: 1_000)
    workers = Supervisor(settings)
    workers.start()
    until(lambda: not workers.pids)
    before = time.monotonic()
    workers.close()
    workers.close()
    assert time.monotonic() - before < 10


def test_a_machine_without_room_for_a_process_is_tried_again(settings, monkeypatch, caplog):
    tries = []

    def start(_):
        tries.append(1)
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(supervisor, "_start_process", start)
    monkeypatch.setattr(supervisor, "wait_before_next", lambda _: 0)
    with Supervisor(settings):
        until(lambda: len(tries) > 4)
    assert "a worker ended with Resource temporarily unavailable" in caplog.text


def test_none_may_be_asked_for_and_none_be_started(settings):
    with Supervisor(replace(settings, workers=0)) as workers:
        assert workers.pids == []
    Supervisor(settings).close()


def test_they_end_in_good_order(settings, command, tmp_path):
    command(
        "import pathlib, signal, sys, threading\n"
        f"place = pathlib.Path({str(tmp_path)!r})\n"
        "def told(*_):\n"
        "    (place / f'told-{__import__(\"os\").getpid()}').touch()\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, told)\n"
        "(place / f'up-{__import__(\"os\").getpid()}').touch()\n"
        "signal.pause()"
    )
    with Supervisor(settings):
        until(lambda: len(list(tmp_path.glob("up-*"))) == 2)
    assert len(list(tmp_path.glob("told-*"))) == 2


def test_who_does_not_end_is_killed(settings, command, tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE", 0.1)
    command(
        "import pathlib, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'up')!r}).touch()\n"
        "while True: signal.pause()"
    )
    with Supervisor(replace(settings, workers=1)) as workers:
        until((tmp_path / "up").exists)
        (pid,) = workers.pids
    assert not runs(pid)


def test_settings_go_by_environment_where_only_this_user_reads_them(settings, command, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    command(ENDS_WITH_ITS_PIPE)
    secret = replace(settings, database_url="postgresql://me:secret@127.0.0.1/jobs", workers=2)
    with Supervisor(secret) as workers:
        pid = until(lambda: workers.pids)[0]
        assert b"secret" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        given = dict(entry.split(b"=", 1) for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if entry)
    assert read(ServiceOptions, json.loads(given[ENVIRONMENT.encode()])) == secret
    assert given[b"OMP_NUM_THREADS"] == b"4"


@pytest.fixture
def add(settings, new_job):
    """Makes a service of a database, and adds a photo of 64 px to it: its settings, its jobs, the job's id."""
    opened = []

    def make(url):
        database = Database(url)
        opened.append(database)
        database.migrate()
        storage = Storage(settings.folder)
        storage.open()
        storage.check_same(database)
        new = new_job(options={"steps": 1, "encoder": ["conv-gem"]}, name="gradient.jpg")
        picture = io.BytesIO()
        Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(picture, "JPEG")
        (storage.originals / new.original).write_bytes(picture.getvalue())
        queue = Queue(database)
        queue.add(new, None)
        return replace(settings, database_url=url, workers=1), queue, new.id

    yield make
    for database in opened:
        database.close()


def child(settings, way):
    """A process of that kind, see `stand_ins`."""
    given = {"SETTINGS": json.dumps(dump(settings)), "WAY": way, "POINT": None}
    process = _children.Process(
        target=runpy.run_path, args=(STAND_INS,), kwargs={"init_globals": given, "run_name": "__main__"}
    )
    process.start()
    return process


def test_a_worker_that_gets_sigterm_puts_its_job_back_and_has_been_nice(add, sqlite_url):
    settings, queue, job_id = add(sqlite_url)
    process = child(settings, "told to end")
    until(lambda: queue.reader.counts()["running"])
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)
    os.kill(process.pid, signal.SIGTERM)
    (settings.folder / "go").touch()
    process.join(60)
    assert process.exitcode == 0
    process.close()
    (job,) = queue.reader.watch([job_id])
    assert (job.state, job.attempts) == (JobState.WAITING, 0)


def test_a_worker_without_the_service_s_folder_says_so(settings, monkeypatch, sqlite_url, caplog):
    own = replace(settings, database_url=sqlite_url)
    monkeypatch.setenv(ENVIRONMENT, json.dumps(dump(own)))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(worker, "_end_with_parent", lambda _: None)
    before = signal.getsignal(signal.SIGTERM)
    assert worker.main() == 2
    assert "mount the service's folder" in caplog.text
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_photo_is_protected_by_a_real_worker_that_does_not_outlive_a_killed_server(add, database_url):
    """From the job's acceptance to its result, with nothing put in place of anything."""
    settings, queue, job_id = add(database_url)
    server = child(settings, "serving")
    until(lambda: not queue.reader.counts()["waiting"] and not queue.reader.counts()["running"])
    job = queue.reader.get(job_id, None)
    assert job.error is None
    assert job.state == JobState.DONE
    assert [state for _, state, _ in queue.reader.history(job_id)] == ["waiting", "running", "done"]
    assert (job.report["input"], job.report["output"]) == ("gradient.jpg", "gradient.jpg")
    assert (job.report["steps"], job.report["encoders"]) == (1, ["conv-gem"])
    assert str(settings.folder) not in json.dumps(job.report)
    assert job.insight["encoder"] == "conv-gem"
    with (
        Image.open(settings.folder / "results" / job.result) as photo,
        Image.open(settings.folder / "results" / job.sheet) as sheet,
    ):
        assert (photo.format, photo.size) == ("JPEG", (64, 64))
        assert sheet.format == "PNG"
    assert list((settings.folder / "originals").iterdir()) == []
    assert sorted(path.name for path in (settings.folder / "results").rglob("*.*")) == [
        "contact-sheet.png",
        "photo.jpg",
    ]

    pid = int(job.worker.split("-")[-2])
    assert runs(pid)
    server.kill()
    server.join()
    server.close()
    until(lambda: not runs(pid))
