import json
import logging
import multiprocessing
import os
import runpy
import shutil
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from recessive.errors import PhotoError, SettingsError
from recessive.options import ServiceOptions, dump
from recessive.service.store.claims import Claims
from recessive.service.store.database import Database, DatabaseError
from recessive.service.store.job import DeliveryState, JobState
from recessive.service.store.reading import JobReader
from recessive.service.store.storage import Storage, StorageError
from recessive.service.work import processing
from recessive.service.work import worker as worker_module
from recessive.service.work.processing import NO_MEMORY
from recessive.service.work.worker import UNEXPECTED, work

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]
STAND_INS = str(Path(__file__).with_name("stand_ins.py"))
stand_ins = SimpleNamespace(**runpy.run_path(STAND_INS))
Protect, VERDICT = stand_ins.Protect, stand_ins.VERDICT
DONE = ["waiting", "running", "done"]
_children = multiprocessing.get_context("forkserver")
_children.set_forkserver_preload(["recessive.service.work.worker"])  # once, and not for each that is killed


class Service:
    """A service without its server."""

    def __init__(self, folder, url, new_job, database):
        self.settings = ServiceOptions(folder=folder, database_url=url, workers=1, time_limit=60)
        self.queue, self.database, self._new_job = Queue(database), database, new_job
        self.storage = Storage(folder)
        self.storage.open()
        self.storage.check_same(database)

    def add(self, **changes):
        """A job and its original; gives its id."""
        new = self._new_job(**{"options": {}, **changes})
        (self.storage.originals / new.original).write_bytes(b"original")
        self.queue.add(new, None)
        return new.id

    def job(self, job_id):
        (found,) = self.queue.reader.watch([job_id])
        return found

    def files(self):
        return sorted(
            str(Path(here, name).relative_to(self.storage.folder))
            for folder in (self.storage.originals, self.storage.results, self.storage.incoming)
            for here, folders, files in os.walk(folder)  # which passes over what goes meanwhile
            for name in folders + files
        )

    def states(self, job_id):
        return [state for _, state, _ in self.queue.reader.history(job_id)]

    @contextmanager
    def worker(self, **changes):
        """One in a thread of this process."""
        stop, ended = threading.Event(), []

        def run():
            try:
                work(replace(self.settings, **changes), stop=stop, idle=0.01)
            except StorageError as error:
                ended.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield SimpleNamespace(stop=stop, ended=ended, thread=thread)
        finally:
            stop.set()
            thread.join()

    def worked_off(self, job_id, **changes):
        """The job after a worker brought it to its end."""
        with self.worker(**changes) as running:
            until(lambda: running.ended or self.job(job_id).state not in (JobState.WAITING, JobState.RUNNING))
        assert running.ended == []
        return self.job(job_id)


def until(condition):
    """Wait for it."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it never came")


@pytest.fixture
def service(tmp_path, database_url, database, new_job):
    """With a database of each kind in turn: for tests in which rows are at stake."""
    return Service(tmp_path / "service", database_url, new_job, database)


@pytest.fixture
def sqlite_service(tmp_path, sqlite_url, new_job):
    """With SQLite alone."""
    with Database(sqlite_url) as database:
        database.migrate()
        yield Service(tmp_path / "service", sqlite_url, new_job, database)


@pytest.fixture
def protect(monkeypatch):
    """Puts the stand-ins in place: takes what `Protect` does."""
    monkeypatch.setattr(worker_module, "TICK", 0.01)

    def make(*arguments, **changes):
        stand_ins.install(monkeypatch.setattr, Protect(*arguments, **changes))

    make()
    return make


def result_of(service, job):
    """What must be left of a job that is done, and nothing else."""
    folder = job.result.partition("/")[0]
    assert folder.startswith(f"{job.id}-")
    assert (job.result, job.sheet) == (f"{folder}/photo.jpg", f"{folder}/contact-sheet.png")
    assert (service.storage.results / job.result).read_bytes() == b"protected original"
    assert (service.storage.results / job.sheet).read_bytes() == b"sheet"
    return [f"results/{folder}", f"results/{folder}/contact-sheet.png", f"results/{folder}/photo.jpg"]


@pytest.mark.usefixtures("protect")
def test_a_job_is_done_once_and_its_original_is_deleted(service):
    job_id = service.add(name="beach.JPG")
    job = service.worked_off(job_id)
    assert job.state == JobState.DONE
    assert job.progress == 1
    assert job.attempts == 1
    assert job.expires == pytest.approx(job.finished + 24 * 3_600, abs=60)
    assert service.files() == result_of(service, job)
    assert service.states(job_id) == DONE
    assert (job.report["input"], job.report["output"]) == ("beach.JPG", "beach.JPG")
    assert str(service.storage.folder) not in str(job)
    assert job.delivery is None


def test_a_gallery_of_the_service_s_own_is_not_named(sqlite_service, protect):
    protect(gallery="/srv/private/gallery")
    job = sqlite_service.worked_off(sqlite_service.add())
    assert job.report["gallery"] == "the service's own"


@pytest.mark.usefixtures("protect")
def test_jobs_come_one_after_another(service):
    ids = [service.add() for _ in range(5)]
    with service.worker(), service.worker():
        until(lambda: service.queue.reader.counts()["done"] == 5)
    assert service.files() == sorted(file for job_id in ids for file in result_of(service, service.job(job_id)))
    assert [service.states(job_id) for job_id in ids] == 5 * [DONE]


@pytest.mark.parametrize(
    ("then", "error"),
    [
        (lambda path: PhotoError(path, "ends too early;\nsend it again"), "beach.jpg: ends too early; send it again"),
        (
            lambda path: OSError(28, "No space left on device", f"{path.parent}/x"),
            "beach.jpg: cannot be protected: No space left on device",
        ),
        (
            lambda _: RuntimeError("[alloc_cpu.cpp:117] can't allocate memory"),
            f"beach.jpg: {NO_MEMORY}",
        ),
        (lambda path: PhotoError(path, "x" * 10_000), f"beach.jpg: {'x' * 489}"),
        (lambda _: MemoryError(), f"beach.jpg: {NO_MEMORY}"),
        (lambda _: ZeroDivisionError("secret"), f"beach.jpg: {UNEXPECTED}"),
    ],
)
def test_a_failure_is_one_plain_line_and_leaves_nothing(sqlite_service, protect, caplog, then, error):
    caplog.set_level(logging.DEBUG, "recessive")
    protect(then)
    job_id = sqlite_service.add(name="beach.jpg")
    job = sqlite_service.worked_off(job_id)
    assert (job.state, job.error) == (JobState.FAILED, error)
    assert job.expires > job.finished
    assert sqlite_service.files() == []
    assert sqlite_service.states(job_id) == ["waiting", "running", "failed"]
    assert job_id in caplog.text
    assert "beach" not in caplog.text
    assert "secret" not in caplog.text
    assert str(sqlite_service.storage.folder) not in caplog.text
    if error.endswith(UNEXPECTED):
        assert f"job {job_id}: ZeroDivisionError" in caplog.text


@pytest.mark.usefixtures("protect")
@pytest.mark.parametrize(
    ("options", "wrong", "error"),
    [
        ({"method": "gone"}, None, "method: no method that the service can run is called 'gone'; there are "),
        ({}, SettingsError("holds no photos", Path("/srv/gallery")), "the service's gallery holds no photos"),
        ({}, SettingsError("vanish needs encoders that give logits"), "vanish needs encoders that give logits"),
    ],
)
def test_options_that_do_not_fit_are_told(sqlite_service, monkeypatch, options, wrong, error):
    def refuse(*_, **__):
        raise wrong

    if wrong:
        monkeypatch.setattr(processing, "default_searchers", lambda *_, **__: {})
        monkeypatch.setattr(processing, "Protector", refuse)
    job = sqlite_service.worked_off(sqlite_service.add(options=options), gallery=Path("/srv/gallery"))
    assert job.state == JobState.FAILED
    assert job.error.startswith(f"photo.jpg: {error}")
    assert sqlite_service.files() == []


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_job_that_is_not_wanted_any_more_is_dropped(service, protect, monkeypatch, end):
    told, real = threading.Event(), Claims.keep

    def keep(self, claim, progress):
        kept = real(self, claim, progress)
        if not kept:
            told.set()
        return kept

    def unwanted(original):
        getattr(service.queue.inbox, end)(original.stem, None)
        assert told.wait(10)

    monkeypatch.setattr(Claims, "keep", keep)
    protect(unwanted)
    job_id = service.add()
    with service.worker():
        until(told.is_set)  # the first sweep, if it is late, may remove the files before
        until(lambda: service.files() == [])
    if end == "cancel":
        assert service.states(job_id) == ["waiting", "running", "cancelled"]
    else:
        assert service.queue.reader.watch([job_id]) == []


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_job_that_is_not_wanted_at_the_last_moment_leaves_nothing(service, protect, monkeypatch, end):
    """Between the last step and the row."""
    sheet = threading.Event()

    def last(*_):
        getattr(service.queue.inbox, end)(job_id, None)
        sheet.set()
        return b"sheet"

    monkeypatch.setattr(worker_module, "TICK", 60)
    protect()
    monkeypatch.setattr(processing, "contact_sheet", last)
    job_id = service.add()
    with service.worker():
        until(sheet.is_set)
        until(lambda: service.files() == [])


@pytest.mark.usefixtures("protect")
def test_nothing_is_left_of_what_has_expired(service, later):
    job = service.worked_off(service.add(), keep_hours=1)
    later(3_500)
    with service.worker():
        pass
    assert service.files() == result_of(service, job)
    later(200)
    with service.worker():
        pass
    assert service.files() == []
    assert service.queue.reader.watch([job.id]) == []


def test_a_worker_that_is_told_to_stop_puts_its_job_back(service, protect):
    stop = []
    protect(lambda _: stop[0].set())
    job_id = service.add()
    with service.worker() as running:
        stop.append(running.stop)
        running.thread.join(10)
        assert not running.thread.is_alive()
    job = service.job(job_id)
    assert (job.state, job.attempts, job.progress) == (JobState.WAITING, 0, 0)
    assert service.files() == [f"originals/{job.original}"]
    protect()
    assert service.worked_off(job_id).attempts == 1


def test_a_job_that_takes_too_long_fails(sqlite_service, protect):
    protect(lambda _: time.sleep(0.06))
    job = sqlite_service.worked_off(sqlite_service.add(name="beach.jpg"), time_limit=0.05)
    assert job.state == JobState.FAILED
    assert job.error == "beach.jpg: took longer than 0.05 s; request fewer steps or send a smaller photo"
    assert sqlite_service.files() == []


def test_a_worker_whose_job_was_given_to_another_drops_it(service, protect, later, monkeypatch):
    """It was asleep, for instance; the other's result stays."""
    asleep, awake = threading.Event(), threading.Event()

    def sleep(_):
        if not asleep.is_set():
            asleep.set()
            awake.wait(10)

    monkeypatch.setattr(worker_module, "TICK", 60)  # asleep, all of it
    protect(sleep)
    job_id = service.add()
    with service.worker():
        asleep.wait(10)
        later(100)
        service.queue.cleaner.requeue_lost()
        later(100)
        job = service.worked_off(job_id)
        assert job.state == JobState.DONE
        awake.set()
    assert service.job(job_id) == job
    assert job.attempts == 2
    assert service.files() == result_of(service, job)
    assert service.states(job_id) == ["waiting", "running", "waiting", "running", "done"]


@pytest.mark.usefixtures("protect")
def test_what_is_recorded_stays_whatever_happens_next(sqlite_service, monkeypatch, caplog):
    broken, real = iter([True]), Storage.remove_original

    def remove(self, job):
        if next(broken, False):
            raise ZeroDivisionError
        real(self, job)

    caplog.set_level(logging.INFO, "recessive")
    monkeypatch.setattr(Storage, "remove_original", remove)
    job_id = sqlite_service.add()
    with sqlite_service.worker():
        until(lambda: "dropped" in caplog.text)
    job = sqlite_service.job(job_id)
    assert sqlite_service.files() == result_of(sqlite_service, job)
    assert sqlite_service.states(job_id) == DONE


@pytest.mark.parametrize("call", ["claim", "finish", "fail", "watch"])
@pytest.mark.parametrize("came_through", [False, True])
def test_a_database_that_is_away_is_waited_for(service, protect, monkeypatch, call, came_through):
    """Whether or not it did what it was asked before the connection broke."""
    owner = JobReader if call == "watch" else Claims
    away, real = iter([True, True, False]), getattr(owner, call)

    def sometimes(self, *arguments, **options):
        if threading.current_thread() is not threading.main_thread() and next(away, False):
            if came_through and call != "claim":  # a claim that nobody heard of runs out
                real(self, *arguments, **options)
            raise DatabaseError("away")
        return real(self, *arguments, **options)

    def drop(original):
        service.queue.inbox.cancel(original.stem, None)

    monkeypatch.setattr("recessive.service.work.background.FIRST_WAIT", 0.01)
    monkeypatch.setattr(owner, call, sometimes)
    protect({"fail": lambda path: PhotoError(path, "no"), "watch": drop}.get(call, lambda _: None))
    job_id = service.add()
    job = service.worked_off(job_id)
    with service.worker():  # which sweeps
        until(lambda: not list(service.storage.originals.iterdir()))
    if call in ("claim", "finish"):
        assert service.files() == result_of(service, job)
        assert service.states(job_id) == DONE
    else:
        assert service.files() == []
        assert service.states(job_id)[2:] == ["failed" if call == "fail" else "cancelled"]


def test_a_database_server_may_crash_meanwhile(postgres, protect, monkeypatch, tmp_path, new_job):
    def crash(_):
        postgres.stop()
        crashed.set()

    crashed = threading.Event()
    monkeypatch.setattr("recessive.service.work.background.FIRST_WAIT", 0.05)
    protect(crash)
    url = postgres.url("crashing")
    with Database(url) as database:
        database.migrate()
        service = Service(tmp_path / "service", url, new_job, database)
        job_id = service.add()
        with service.worker() as running:
            until(crashed.is_set)
            postgres.start()
            until(lambda: running.ended or service.job(job_id).state == JobState.DONE)
        assert service.states(job_id) == DONE
        assert service.files() == result_of(service, service.job(job_id))


@pytest.mark.usefixtures("protect")
def test_a_worker_ends_though_the_database_is_away(sqlite_service, monkeypatch):
    """What it leaves is put right by those who come after."""

    def away(*_, **__):
        trying.set()
        raise DatabaseError("away")

    trying = threading.Event()
    job_id = sqlite_service.add()
    monkeypatch.setattr(Claims, "finish", away)
    with sqlite_service.worker() as running:
        until(trying.is_set)
        running.stop.set()
        running.thread.join(10)
        assert not running.thread.is_alive()
    assert sqlite_service.job(job_id).state == JobState.RUNNING
    assert sqlite_service.storage.original(sqlite_service.job(job_id)).exists()


@pytest.mark.usefixtures("protect")
def test_a_photo_that_is_gone_fails_alone(sqlite_service):
    job_id = sqlite_service.add(name="beach.jpg")
    sqlite_service.storage.original(sqlite_service.job(job_id)).unlink()
    job = sqlite_service.worked_off(job_id)
    assert (job.state, job.error) == (JobState.FAILED, "beach.jpg: the photo no longer exists; send it again")


@pytest.mark.usefixtures("protect")
def test_a_folder_that_is_not_mounted_any_more_fails_no_job(sqlite_service):
    job_id = sqlite_service.add()
    with sqlite_service.worker() as running:
        until(lambda: sqlite_service.job(job_id).state == JobState.DONE)
        shutil.rmtree(sqlite_service.storage.folder)
        sqlite_service.storage.open()
        queue = Queue(sqlite_service.database)
        lost = sqlite_service._new_job(options={})
        queue.add(lost, None)
        until(lambda: running.ended)
    assert isinstance(running.ended[0], StorageError)
    job = sqlite_service.job(lost.id)
    assert (job.state, job.attempts) == (JobState.WAITING, 0)


def test_progress_is_written_now_and_then(sqlite_service, protect, monkeypatch):
    seen, real = [], Claims.keep

    def keep(self, claim, progress):
        seen.append((time.monotonic(), progress))
        return real(self, claim, progress)

    monkeypatch.setattr(Claims, "keep", keep)
    monkeypatch.setattr(worker_module, "TICK", 0.1)

    def slow(photo, protector, *, progress):
        for step in range(200):
            time.sleep(0.002)
            progress(step / 200)
        return Protect()(photo, protector, progress=lambda _: None)

    protect()
    monkeypatch.setattr(processing, "protect_photo", slow)
    sqlite_service.worked_off(sqlite_service.add())
    assert len(seen) >= 2
    assert all(second - first > 0.09 for (first, _), (second, _) in pairwise(seen))
    assert [progress for _, progress in seen] == sorted(progress for _, progress in seen)


@pytest.mark.usefixtures("protect")
@pytest.mark.parametrize("broken", ["decode_photo", "explain", "contact_sheet"])
def test_a_job_is_done_though_it_cannot_be_explained(sqlite_service, monkeypatch, caplog, broken):
    def fail(*_):
        raise ValueError("secret")

    monkeypatch.setattr(processing, broken, fail)
    job = sqlite_service.worked_off(sqlite_service.add())
    assert (job.state, job.insight, job.sheet) == (JobState.DONE, None, None)
    assert (sqlite_service.storage.results / job.result).exists()
    assert not list(sqlite_service.storage.results.glob("*/contact-sheet.png"))
    assert f"job {job.id} is not explained: ValueError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.usefixtures("protect")
def test_insight_and_report_are_recorded(sqlite_service, monkeypatch):
    monkeypatch.setattr(processing, "explain", lambda *_: stand_ins.report(notes=("a stand-in",)))
    job = sqlite_service.queue.reader.get(sqlite_service.worked_off(sqlite_service.add()).id, None)
    assert job.insight["notes"] == ["a stand-in"]
    assert job.report["verdict"] == VERDICT


@pytest.mark.usefixtures("protect")
def test_protectors_are_loaded_once_for_the_same_options(sqlite_service, monkeypatch):
    made = []

    class Counted(stand_ins.Protector):
        def __init__(self, settings, **options):
            made.append(settings.seed)
            super().__init__(settings, **options)

    monkeypatch.setattr(processing, "Protector", Counted)
    for number, seed in enumerate((1, 1, 2, 3, 4, 1, 5, 2)):
        sqlite_service.add(options={"seed": seed, "passes": "all" if number % 2 else "seen"})
    with sqlite_service.worker():
        until(lambda: sqlite_service.queue.reader.counts()["done"] == 8)
    assert made == [1, 2, 3, 4, 5, 2]


@pytest.mark.usefixtures("protect")
@pytest.mark.parametrize(("passes", "state"), [("seen", DeliveryState.DELIVERED), ("all", DeliveryState.HELD)])
def test_what_passes_is_delivered(sqlite_service, tmp_path, passes, state):
    out = tmp_path / "out"
    out.mkdir()
    job_id = sqlite_service.add(
        name="beach.jpg", deliver_to=str(out), options={"deliver_to": str(out), "passes": passes}
    )
    with sqlite_service.worker(deliver_to=(str(out),)):
        until(lambda: sqlite_service.job(job_id).delivery not in (None, DeliveryState.WAITING))
    job = sqlite_service.job(job_id)
    assert (job.state, job.delivery) == (JobState.DONE, state)
    delivered = {f"beach-{job_id}.jpg": b"protected original"}
    held = state == DeliveryState.HELD
    assert {path.name: path.read_bytes() for path in out.iterdir()} == ({} if held else delivered)
    assert (VERDICT in (job.delivery_error or "")) is held


@pytest.mark.usefixtures("protect")
def test_a_worker_is_seen(sqlite_service):
    with sqlite_service.worker():
        until(lambda: sqlite_service.queue.reader.workers() == 1)


def run(service, way, point):
    """A worker process with this fate; its exit status."""
    given = {"SETTINGS": json.dumps(dump(service.settings)), "WAY": way, "POINT": point}
    child = _children.Process(
        target=runpy.run_path, args=(STAND_INS,), kwargs={"init_globals": given, "run_name": "__main__"}
    )
    child.start()
    child.join(30)
    status = child.exitcode
    child.kill()
    child.join()
    child.close()
    return status


@pytest.mark.parametrize(("way", "point"), stand_ins.POINTS, ids=str)
def test_a_worker_that_is_killed_loses_nothing_and_does_nothing_twice(service, protect, later, tmp_path, way, point):
    out = tmp_path / "out"
    out.mkdir()
    service.settings = replace(service.settings, deliver_to=(str(out),))
    job_id = service.add(deliver_to=str(out) if way == "delivering" else None)
    assert run(service, way, point) == -signal.SIGKILL
    killed = service.job(job_id)
    if killed.state == JobState.DONE:  # what counts is whole at any time
        result_of(service, killed)
    else:
        assert killed.result is None
        assert service.storage.original(killed).exists() or killed.state == JobState.FAILED
    later(1_000)
    service.queue.cleaner.requeue_lost()
    later(1_000)
    if way == "failing":
        protect(lambda path: PhotoError(path, "no"))
    with service.worker():
        until(lambda: service.job(job_id).state in (JobState.DONE, JobState.FAILED))
        until(lambda: way != "delivering" or service.job(job_id).delivery == DeliveryState.DELIVERED)
    service.queue.cleaner.sweep(service.storage)
    job, states = service.job(job_id), service.states(job_id)
    if way == "failing":
        assert job.error == "photo.jpg: no"
        assert service.files() == []
        assert states.count("failed") == 1
    else:
        assert service.files() == result_of(service, job)
        assert states.count("done") == 1
    assert states.count("running") == states.count("waiting") <= 2
    if way == "delivering":
        assert states.count("delivery delivered") == 1
        assert [path.name for path in out.iterdir()] == [f"photo-{job_id}.jpg"]


def test_a_job_that_hangs_ends_its_worker_and_no_other_job(sqlite_service, monkeypatch):
    """Where no progress is reported: in a decoder, for instance."""
    hanging = threading.Event()
    ended = []

    def end(status):
        ended.append(status)
        hanging.set()

    monkeypatch.setattr(worker_module, "TICK", 0.01)
    monkeypatch.setattr(worker_module.os, "_exit", end)
    stand_ins.install(monkeypatch.setattr, Protect(lambda _: hanging.wait(10)))
    job_id = sqlite_service.add(name="beach.jpg")
    with sqlite_service.worker(time_limit=0.05):
        until(hanging.is_set)
    job = sqlite_service.job(job_id)
    assert ended[0] == worker_module.STUCK
    assert (job.state, job.error.partition(" than ")[0]) == (JobState.FAILED, "beach.jpg: took longer")
    assert sqlite_service.files() == []
