"""What is lost, has expired or belongs to no job is put right, and nothing else."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from recessive.service.store import cleaning
from recessive.service.store.database import Database
from recessive.service.store.job import DeliveryState, JobState
from recessive.service.store.tables import jobs as table
from recessive.service.work.cleaning import CleaningRunner

HOUR, DAY = 3_600, 86_400


def test_what_is_finished_goes_when_its_time_has_come(queue, done_job, clock):
    gone, stays = done_job(expires=clock.now + 10), done_job(expires=clock.now + 11)
    assert queue.cleaner.expire() == []
    clock.turn(10)
    assert queue.cleaner.expire() == [replace(gone, insight=None)]
    assert queue.reader.get(gone.id, None) is None
    assert queue.reader.history(gone.id) == []
    assert queue.reader.get(stays.id, None) is not None


def test_what_waits_runs_or_is_to_be_delivered_never_expires(queue, done_job, new_job, database, clock, add):
    kept = done_job(delivery=DeliveryState.WAITING)
    running = add(queue, new_job())
    queue.claims.claim("w")
    waiting = add(queue, new_job())
    with database.begin() as connection:
        connection.execute(table.update().values(expires=1.0))  # even if somebody had set it
    clock.turn(100 * DAY)
    assert queue.cleaner.expire() == []
    assert set(queue.reader.known([kept.id, running.id, waiting.id])) == {kept.id, running.id, waiting.id}
    queue.deliveries.delivered(queue.deliveries.claim("w"))
    assert [job.id for job in queue.cleaner.expire()] == [kept.id]


def test_each_expired_job_is_returned_to_one_caller(queue, done_job, monkeypatch):
    monkeypatch.setattr(cleaning, "_BATCH", 2)
    monkeypatch.setattr(cleaning, "_MOST_EXPIRED", 5)
    ids = [done_job(expires=1.0).id for _ in range(20)]
    with ThreadPoolExecutor(3) as threads:
        expired = [[job.id for job in some] for some in threads.map(lambda _: queue.cleaner.expire(), range(3))]
    while more := queue.cleaner.expire():
        expired.append([job.id for job in more])
    assert max(map(len, expired)) == 6
    assert sorted(job_id for some in expired for job_id in some) == sorted(ids)


# --- files


def files(storage):
    return sorted(str(path.relative_to(storage.folder)) for path in storage.folder.glob("*/**/*") if path.is_file())


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def ended(queue, claim, state):
    if state == JobState.DONE:
        result = f"{claim.job.id}-{claim.token[:16]}/photo.jpg"
        queue.claims.finish(claim, report={}, insight=None, result=result, sheet=None, expires=time.time() + HOUR)
    elif state == JobState.FAILED:
        queue.claims.fail(claim, "no", expires=time.time() + HOUR)
    elif state == JobState.CANCELLED:
        queue.inbox.cancel(claim.job.id, claim.job.owner)
    elif state == JobState.WAITING:
        queue.claims.release(claim)


@pytest.mark.parametrize("state", JobState)
def test_sweeping_keeps_what_a_job_needs_and_nothing_else(storage, queue, new_job, fill, state):
    queue.add(new_job(), None)
    claim = queue.claims.claim("worker")
    fill(claim.job, "f" * 32, claim.token)  # a claim that was lost, and this one
    ended(queue, claim, state)
    mine = f"results/{claim.job.id}-{claim.token[:16]}/photo.jpg"
    original = f"originals/{claim.job.original}"
    queue.cleaner.sweep(storage)
    left = {
        JobState.WAITING: {original},
        JobState.RUNNING: {original, mine, f"results/{claim.job.id}-{'f' * 16}/photo.jpg"},  # which one is not known
        JobState.DONE: {mine},
        JobState.FAILED: set(),
        JobState.CANCELLED: set(),
    }
    assert set(files(storage)) == left[state]


def test_sweeping_leaves_the_only_result_of_a_job_alone(storage, queue, new_job, fill):
    queue.add(new_job(), None)
    claim = queue.claims.claim("worker")
    fill(claim.job, claim.token, original=False)
    ended(queue, claim, JobState.DONE)
    before = files(storage)
    queue.cleaner.sweep(storage)
    assert files(storage) == before != []


def test_what_no_job_knows_goes_once_it_cannot_be_an_upload_any_more(storage, queue):
    young, old = storage.originals / "young.jpg", storage.originals / "old.jpg"
    for path in (young, old):
        path.write_bytes(b"photo")
    age(young, 500)
    age(old, 700)
    (storage.result_folder("deleted", "a" * 32) / "photo.jpg").write_bytes(b"photo")
    arriving, abandoned = storage.incoming / "arriving", storage.incoming / "abandoned"
    for path in (arriving, abandoned):
        path.write_bytes(b"half a ph")
    age(arriving, 3_000)
    age(abandoned, 4_000)
    queue.cleaner.sweep(storage)
    assert files(storage) == ["incoming/arriving", "originals/young.jpg"]


def test_a_machine_whose_clock_is_ahead_sweeps_no_young_file(storage, queue, monkeypatch):
    (storage.originals / "young.jpg").write_bytes(b"photo")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10 * HOUR)
    queue.cleaner.sweep(storage)
    assert files(storage) == ["originals/young.jpg"]


def test_a_database_that_is_away_lets_nothing_be_swept(storage, queue, monkeypatch):
    (storage.originals / "old.jpg").write_bytes(b"photo")
    age(storage.originals / "old.jpg", 700)

    def away(_):
        raise ConnectionError

    monkeypatch.setattr(Database, "read", away)
    with pytest.raises(ConnectionError):
        queue.cleaner.sweep(storage)
    assert files(storage) == ["originals/old.jpg"]


def test_cleaning_requeues_expires_and_sweeps(storage, queue, new_job, fill, later):
    for _ in range(2):
        fill(queue.add(new_job(), None)[0])
    done, lost = queue.claims.claim("worker"), queue.claims.claim("worker")
    fill(done.job, done.token, original=False)
    fill(lost.job, lost.token, original=False)
    ended(queue, done, JobState.DONE)
    later(2 * HOUR)
    with CleaningRunner(queue.cleaner, storage):
        pass
    assert queue.reader.known([done.job.id, lost.job.id]) == {lost.job.id: JobState.WAITING}
    assert files(storage) == [f"originals/{lost.job.original}"]


def test_cleaning_outlives_a_database_that_is_away(storage, queue, monkeypatch, caplog):
    rounds = iter([ConnectionError, None])
    came_back = threading.Event()

    def requeue():
        if error := next(rounds, None):
            raise error("secret")
        came_back.set()

    monkeypatch.setattr(queue.cleaner, "requeue_lost", requeue)
    with CleaningRunner(queue.cleaner, storage, every=0.01):
        assert came_back.wait(10)
    assert "ConnectionError" in caplog.text
    assert "secret" not in caplog.text


def test_jobs_outside_the_limit_of_one_query_are_swept_too(storage, queue):
    for number in range(1_200):
        path = storage.originals / f"{number}.jpg"
        path.write_bytes(b"")
        age(path, 700)
    queue.cleaner.sweep(storage)
    assert files(storage) == []
