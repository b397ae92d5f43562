"""Jobs from the day they come to the day they go, each seen by its owner alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from recessive.service.store import cleaning
from recessive.service.store.job import DeliveryState, JobState
from recessive.service.store.tables import jobs as table

DONE = {"report": {"verdict": "hidden"}, "insight": {"heat": [[0.5]]}, "result": "r/photo.jpg", "sheet": "r/sheet.png"}
HOUR, DAY = 3_600, 86_400


def test_an_accepted_job_is_what_was_added(queue, new_job, clock, add):
    new = new_job(owner="anna", name="ferry.jpg", bytes=5 * 2**31, deliver_to="https://example.org/in", idempotency="7")
    job = add(queue, new)
    assert asdict(new).items() <= asdict(job).items()
    fresh = (job.state, job.progress, job.attempts, job.created, job.started, job.expires, job.delivery)
    assert fresh == (JobState.WAITING, 0, 0, clock.now, None, None, None)
    assert queue.reader.get(job.id, "anna") == job
    assert queue.reader.history(job.id) == [(clock.now, "waiting", None)]


def test_a_job_from_the_queue_to_its_end(queue, new_job, clock, add):
    job = add(queue, new_job())
    clock.turn(5)
    claim = queue.claims.claim("w1")
    running = replace(job, state=JobState.RUNNING, attempts=1, started=clock.now, worker="w1")
    assert claim.job == running
    assert len(claim.token) == 32
    assert queue.claims.claim("w2") is None
    assert queue.claims.keep(claim, 0.25)
    assert queue.reader.get(job.id, None) == replace(running, progress=0.25)
    clock.turn(5)
    assert queue.claims.finish(claim, **DONE, expires=clock.now + HOUR)
    ended = replace(running, state=JobState.DONE, progress=1, finished=clock.now, expires=clock.now + HOUR, **DONE)
    assert queue.reader.get(job.id, None) == ended
    began = clock.now - 10
    expected = [(began, "waiting", None), (began + 5, "running", "w1"), (began + 10, "done", "w1")]
    assert queue.reader.history(job.id) == expected


def test_a_job_that_fails_says_why(queue, new_job, clock, states, add):
    job = add(queue, new_job())
    assert queue.claims.fail(queue.claims.claim("w"), "the photo is damaged", expires=clock.now + HOUR)
    failed = queue.reader.get(job.id, None)
    assert (failed.state, failed.error, failed.finished) == (JobState.FAILED, "the photo is damaged", clock.now)
    assert (failed.expires, failed.result) == (clock.now + HOUR, None)
    assert states(queue, job) == ["waiting", "running", "failed"]


def test_a_job_put_back_waits_as_if_nobody_had_taken_it(queue, new_job, clock, states, add):
    job = add(queue, new_job())
    claim = queue.claims.claim("w")
    assert queue.claims.keep(claim, 0.5)
    clock.turn(5)
    assert queue.claims.release(claim)
    assert queue.reader.get(job.id, None) == job
    assert queue.claims.claim("w").job.attempts == 1
    assert states(queue, job) == ["waiting", "running", "waiting", "running"]


@pytest.mark.parametrize(("said", "kept"), [(-1, 0), (0.5, 0.5), (2, 1)])
def test_progress_is_a_fraction(queue, new_job, said, kept, add):
    job = add(queue, new_job())
    assert queue.claims.keep(queue.claims.claim("w"), said)
    assert queue.reader.get(job.id, None).progress == kept


def test_strange_names_and_numbers_do_no_harm(queue, new_job, add):
    nasty = "a\0b\ud800c"
    job = add(queue, new_job(name=nasty, options={nasty: [nasty]}, idempotency=nasty))
    assert job.name == "a\ufffdb\ufffdc"
    assert job.options == {job.name: [job.name]}
    assert queue.add(new_job(idempotency=nasty), None) == (job, False)
    report = {"psnr": float("inf"), "ssim": float("nan"), "notes": (nasty,)}
    assert queue.claims.finish(queue.claims.claim(nasty), **{**DONE, "report": report}, expires=1.0)
    assert queue.reader.get(job.id, None).report == {"psnr": None, "ssim": None, "notes": [job.name]}
    assert queue.reader.get(nasty, nasty) is None
    assert queue.inbox.cancel(nasty, None) is None
    assert queue.inbox.delete(nasty, None) is None
    assert queue.reader.watch([nasty]) == []
    assert queue.reader.history(nasty) == []


# --- the owner's changes of mind


@pytest.mark.parametrize("running", [False, True])
def test_what_is_cancelled_is_not_done_and_goes_soon(queue, new_job, clock, running, states, add):
    job = add(queue, new_job(owner="anna"))
    if running:
        queue.claims.claim("w")
    cancelled = queue.inbox.cancel(job.id, "anna")
    assert cancelled == queue.reader.get(job.id, "anna")
    assert (cancelled.state, cancelled.finished, cancelled.expires) == (JobState.CANCELLED, clock.now, clock.now + HOUR)
    clock.turn(100)
    assert queue.cleaner.requeue_lost() == 0
    assert queue.claims.claim("w") is None
    assert queue.inbox.cancel(job.id, "anna") == cancelled
    assert states(queue, job) == ["waiting", *["running"] * running, "cancelled"]


def test_what_is_done_cannot_be_cancelled(queue, done_job):
    done = done_job()
    assert queue.inbox.cancel(done.id, None) == done == queue.reader.get(done.id, None)


def test_what_is_deleted_leaves_nothing(queue, database, new_job, add):
    job = add(queue, new_job(owner="anna", name="very private.jpg"))
    queue.claims.claim("w")
    running = queue.reader.get(job.id, "anna")
    assert queue.inbox.delete(job.id, "anna") == running
    assert queue.reader.get(job.id, "anna") is None
    assert queue.inbox.delete(job.id, "anna") is None
    assert queue.reader.history(job.id) == []
    assert sum(queue.reader.counts().values()) == 0
    if database.engine.dialect.name == "sqlite":
        database.close()  # the last one to leave writes the log into the file
        for path in Path(database.engine.url.database).parent.iterdir():
            assert b"very private" not in path.read_bytes()


# --- expiry


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
