"""Jobs from the day they come to the day they go, each seen by its owner alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from recessive.service.store import jobs as jobs_module
from recessive.service.store.job import DeliveryState, JobState
from recessive.service.store.tables import jobs as table

DONE = {"report": {"verdict": "hidden"}, "insight": {"heat": [[0.5]]}, "result": "r/photo.jpg", "sheet": "r/sheet.png"}
HOUR, DAY = 3_600, 86_400


def test_an_accepted_job_is_what_was_added(jobs, new_job, clock, add):
    new = new_job(owner="anna", name="ferry.jpg", bytes=5 * 2**31, deliver_to="https://example.org/in", idempotency="7")
    job = add(jobs, new)
    assert asdict(new).items() <= asdict(job).items()
    fresh = (job.state, job.progress, job.attempts, job.created, job.started, job.expires, job.delivery)
    assert fresh == (JobState.WAITING, 0, 0, clock.now, None, None, None)
    assert jobs.get(job.id, "anna") == job
    assert jobs.history(job.id) == [(clock.now, "waiting", None)]


def test_a_job_from_the_queue_to_its_end(jobs, new_job, clock, add):
    job = add(jobs, new_job())
    clock.turn(5)
    claim = jobs.claim("w1")
    running = replace(job, state=JobState.RUNNING, attempts=1, started=clock.now, worker="w1")
    assert claim.job == running
    assert len(claim.token) == 32
    assert jobs.claim("w2") is None
    assert jobs.keep(claim, 0.25)
    assert jobs.get(job.id, None) == replace(running, progress=0.25)
    clock.turn(5)
    assert jobs.finish(claim, **DONE, expires=clock.now + HOUR)
    ended = replace(running, state=JobState.DONE, progress=1, finished=clock.now, expires=clock.now + HOUR, **DONE)
    assert jobs.get(job.id, None) == ended
    began = clock.now - 10
    expected = [(began, "waiting", None), (began + 5, "running", "w1"), (began + 10, "done", "w1")]
    assert jobs.history(job.id) == expected


def test_a_job_that_fails_says_why(jobs, new_job, clock, states, add):
    job = add(jobs, new_job())
    assert jobs.fail(jobs.claim("w"), "the photo is damaged", expires=clock.now + HOUR)
    failed = jobs.get(job.id, None)
    assert (failed.state, failed.error, failed.finished) == (JobState.FAILED, "the photo is damaged", clock.now)
    assert (failed.expires, failed.result) == (clock.now + HOUR, None)
    assert states(jobs, job) == ["waiting", "running", "failed"]


def test_a_job_put_back_waits_as_if_nobody_had_taken_it(jobs, new_job, clock, states, add):
    job = add(jobs, new_job())
    claim = jobs.claim("w")
    assert jobs.keep(claim, 0.5)
    clock.turn(5)
    assert jobs.release(claim)
    assert jobs.get(job.id, None) == job
    assert jobs.claim("w").job.attempts == 1
    assert states(jobs, job) == ["waiting", "running", "waiting", "running"]


@pytest.mark.parametrize(("said", "kept"), [(-1, 0), (0.5, 0.5), (2, 1)])
def test_progress_is_a_fraction(jobs, new_job, said, kept, add):
    job = add(jobs, new_job())
    assert jobs.keep(jobs.claim("w"), said)
    assert jobs.get(job.id, None).progress == kept


def test_strange_names_and_numbers_do_no_harm(jobs, new_job, add):
    nasty = "a\0b\ud800c"
    job = add(jobs, new_job(name=nasty, options={nasty: [nasty]}, idempotency=nasty))
    assert job.name == "a\ufffdb\ufffdc"
    assert job.options == {job.name: [job.name]}
    assert jobs.add(new_job(idempotency=nasty), None) == (job, False)
    report = {"psnr": float("inf"), "ssim": float("nan"), "notes": (nasty,)}
    assert jobs.finish(jobs.claim(nasty), **{**DONE, "report": report}, expires=1.0)
    assert jobs.get(job.id, None).report == {"psnr": None, "ssim": None, "notes": [job.name]}
    assert jobs.get(nasty, nasty) is None
    assert jobs.cancel(nasty, None) is None
    assert jobs.delete(nasty, None) is None
    assert jobs.watch([nasty]) == []
    assert jobs.history(nasty) == []


# --- the owner's changes of mind


@pytest.mark.parametrize("running", [False, True])
def test_what_is_cancelled_is_not_done_and_goes_soon(jobs, new_job, clock, running, states, add):
    job = add(jobs, new_job(owner="anna"))
    if running:
        jobs.claim("w")
    cancelled = jobs.cancel(job.id, "anna")
    assert cancelled == jobs.get(job.id, "anna")
    assert (cancelled.state, cancelled.finished, cancelled.expires) == (JobState.CANCELLED, clock.now, clock.now + HOUR)
    clock.turn(100)
    assert jobs.requeue_lost() == 0
    assert jobs.claim("w") is None
    assert jobs.cancel(job.id, "anna") == cancelled
    assert states(jobs, job) == ["waiting", *["running"] * running, "cancelled"]


def test_what_is_done_cannot_be_cancelled(jobs, done_job):
    done = done_job()
    assert jobs.cancel(done.id, None) == done == jobs.get(done.id, None)


def test_what_is_deleted_leaves_nothing(jobs, database, new_job, add):
    job = add(jobs, new_job(owner="anna", name="very private.jpg"))
    jobs.claim("w")
    running = jobs.get(job.id, "anna")
    assert jobs.delete(job.id, "anna") == running
    assert jobs.get(job.id, "anna") is None
    assert jobs.delete(job.id, "anna") is None
    assert jobs.history(job.id) == []
    assert sum(jobs.counts().values()) == 0
    if database.engine.dialect.name == "sqlite":
        database.close()  # the last one to leave writes the log into the file
        for path in Path(database.engine.url.database).parent.iterdir():
            assert b"very private" not in path.read_bytes()


# --- expiry


def test_what_is_finished_goes_when_its_time_has_come(jobs, done_job, clock):
    gone, stays = done_job(expires=clock.now + 10), done_job(expires=clock.now + 11)
    assert jobs.expire() == []
    clock.turn(10)
    assert jobs.expire() == [replace(gone, insight=None)]
    assert jobs.get(gone.id, None) is None
    assert jobs.history(gone.id) == []
    assert jobs.get(stays.id, None) is not None


def test_what_waits_runs_or_is_to_be_delivered_never_expires(jobs, done_job, new_job, database, clock, add):
    kept = done_job(delivery=DeliveryState.WAITING)
    running = add(jobs, new_job())
    jobs.claim("w")
    waiting = add(jobs, new_job())
    with database.begin() as connection:
        connection.execute(table.update().values(expires=1.0))  # even if somebody had set it
    clock.turn(100 * DAY)
    assert jobs.expire() == []
    assert set(jobs.known([kept.id, running.id, waiting.id])) == {kept.id, running.id, waiting.id}
    jobs.delivered(jobs.claim_delivery("w"))
    assert [job.id for job in jobs.expire()] == [kept.id]


def test_each_expired_job_is_returned_to_one_caller(jobs, done_job, monkeypatch):
    monkeypatch.setattr(jobs_module, "_AT_ONCE", 2)
    monkeypatch.setattr(jobs_module, "_EXPIRE", 5)
    ids = [done_job(expires=1.0).id for _ in range(20)]
    with ThreadPoolExecutor(3) as threads:
        expired = [[job.id for job in some] for some in threads.map(lambda _: jobs.expire(), range(3))]
    while more := jobs.expire():
        expired.append([job.id for job in more])
    assert max(map(len, expired)) == 6
    assert sorted(job_id for some in expired for job_id in some) == sorted(ids)
