"""Databases of both kinds, the jobs and keys in them, jobs to add, a clock to turn, and processes to kill."""

import multiprocessing
import os
import runpy
import uuid
from pathlib import Path

import pytest

from recessive.service.store.database import Database
from recessive.service.store.job import NewJob
from recessive.service.store.keys import Keys

# the tests are no package, and benchmarks run this file too
_SERVER = runpy.run_path(str(Path(__file__).with_name("postgres.py")))
Queue = runpy.run_path(str(Path(__file__).with_name("whole_queue.py")))["Queue"]
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["recessive.service.store.inbox"])


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; `postgres.url(name)` makes a fresh database."""
    if _SERVER["programs"]() is None and os.environ.get("CI") != "true":
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with _SERVER["Postgres"]() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path):
    """Of a database that is not there yet."""
    return f"sqlite:///{tmp_path / 'jobs.sqlite3'}"


@pytest.fixture(scope="session")
def _one_postgresql_url(postgres):
    return postgres.url("test")


@pytest.fixture
def postgresql_url(postgres, _one_postgresql_url):
    """Of an empty database."""
    postgres.empty(_one_postgresql_url)
    return _one_postgresql_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    """Of an empty database, of each kind in turn."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def database(database_url):
    """With its tables, of each kind in turn."""
    with Database(database_url) as opened:
        opened.migrate()
        yield opened


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A SQLite file with its tables and nothing in them, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "jobs.sqlite3"
    with Database(f"sqlite:///{path}") as database:
        database.migrate()
    return path


@pytest.fixture
def queue(database):
    return Queue(database)


@pytest.fixture
def keys(database):
    return Keys(database)


@pytest.fixture
def new_job():
    """Makes a job to add, different in what is named."""

    def make(**changes):
        job_id = uuid.uuid4().hex
        values = {"id": job_id, "owner": None, "name": "photo.jpg", "format": "JPEG", "bytes": 1_000, "width": 64}
        values |= {"height": 48, "original": f"{job_id}.jpg", "options": {"method": "vanish", "survive": ["jpeg:75"]}}
        return NewJob(**{**values, **changes})

    return make


@pytest.fixture
def add():
    """Adds a job that has not been added before."""

    def to(queue, new, key=None):
        job, added = queue.add(new, key)
        assert added
        return job

    return to


@pytest.fixture
def states():
    """Those that a job has gone through."""
    return lambda queue, job: [state for _, state, _ in queue.reader.history(job.id)]


@pytest.fixture
def done_job(queue, new_job, add):
    """Makes a job that is done and, unless said otherwise, not to be delivered."""

    def make(**ended):
        job = add(queue, new_job(deliver_to="https://example.org/in"))
        values = {"report": {"verdict": "hidden"}, "insight": {"heat": [[0.5]]}, "result": "r/photo.jpg"}
        values |= {"sheet": "r/sheet.png", "expires": 9e9}
        assert queue.claims.finish(queue.claims.claim("maker"), **{**values, **ended})
        return queue.reader.get(job.id, None)

    return make


class Clock:
    """Stands still until it is turned."""

    def __init__(self, now):
        self.now = now

    def __call__(self, _):
        return self.now

    def turn(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(database, monkeypatch):
    """In place of the database's."""
    with database.read() as connection:
        still = Clock(database.now(connection))
    monkeypatch.setattr(database, "now", still)
    return still


@pytest.fixture
def process():
    """Runs code in a process of its own, which has these names and `ready`, a semaphore; killed at the end."""
    started = []

    def start(code, **names):
        ready = _FORKS.Semaphore(0)
        new = _FORKS.Process(target=exec, args=(code, {**names, "ready": ready}))
        new.start()
        new.ready = ready
        started.append(new)
        return new

    yield start
    for each in started:
        each.kill()
        each.join()
        each.close()


@pytest.fixture
def later(monkeypatch):
    """Puts the database's clock forward."""

    def move(seconds):
        now = Database.now
        monkeypatch.setattr(Database, "now", lambda self, connection: now(self, connection) + seconds)

    return move


@pytest.fixture
def at_once(process):
    """Runs code in several processes that have these names, `ready` and `start`, and begin when all are ready."""

    def run(code, number, **names):
        start = process("").ready
        many = [process(code, start=start, **names) for _ in range(number)]
        for each in many:
            assert each.ready.acquire(timeout=30)
        for _ in many:
            start.release()
        for each in many:
            each.join(60)
        assert [each.exitcode for each in many] == [0] * number

    return run
