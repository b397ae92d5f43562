"""Each job goes from the queue to its end once, whoever is killed whenever."""

import runpy
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from recessive.service.store.claims import take
from recessive.service.store.database import Database
from recessive.service.store.job import DeliveryState, JobState

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]
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


# --- who comes first, and who comes late


def test_the_oldest_job_comes_first(queue, new_job, add):
    added = [add(queue, new_job()).id for _ in range(5)]
    assert [queue.claims.claim("w").job.id for _ in range(5)] == added
    assert queue.claims.claim("w") is None


def test_owners_with_fewer_running_jobs_come_first(queue, new_job, add):
    owners = ["anna", "anna", "anna", "ben", None, "ben"]
    added = [add(queue, new_job(owner=owner)) for owner in owners]
    order = [queue.claims.claim("w").job.id for _ in owners]
    assert order == [added[number].id for number in (0, 3, 4, 1, 5, 2)]


def test_a_claim_in_progress_is_passed_by(postgresql_url, new_job, add):
    """PostgreSQL: nobody waits for another's claim. (SQLite has one writer at a time.)"""
    with Database(f"{postgresql_url}?options=-clock_timeout%3D5s") as database:
        database.migrate()
        queue = Queue(database)
        first, second = add(queue, new_job()), add(queue, new_job())
        with database.begin() as connection:
            assert take(connection, database.now(connection), "slow", 30).job.id == first.id
            assert queue.claims.claim("quick").job.id == second.id
            assert queue.claims.claim("quick") is None
            assert queue.cleaner.requeue_lost() == 0


def given_up(queue, clock):
    clock.turn(31)
    assert queue.cleaner.requeue_lost() == 1


def given_to_another(queue, clock):
    given_up(queue, clock)
    clock.turn(2)
    return queue.claims.claim("other")


def done_by_another(queue, clock):
    other = given_to_another(queue, clock)
    assert queue.claims.finish(other, **{**DONE, "result": "other"}, expires=9e9)


LATE = {
    "keep": lambda queue, claim: queue.claims.keep(claim, 0.5),
    "finish": lambda queue, claim: queue.claims.finish(claim, **DONE, expires=1.0, delivery=DeliveryState.WAITING),
    "fail": lambda queue, claim: queue.claims.fail(claim, "late", expires=1.0),
    "release": lambda queue, claim: queue.claims.release(claim),
}


@pytest.mark.parametrize(
    "lose",
    [
        lambda queue, claim, _: queue.inbox.cancel(claim.job.id, None),
        lambda queue, claim, _: queue.inbox.delete(claim.job.id, None),
        lambda queue, claim, _: queue.claims.release(claim),
        lambda queue, _, clock: given_up(queue, clock),
        lambda queue, _, clock: given_to_another(queue, clock),
        lambda queue, _, clock: done_by_another(queue, clock),
    ],
    ids=["cancelled", "deleted", "put back", "given up", "given to another", "done by another"],
)
def test_who_has_lost_a_claim_is_told_so_and_changes_nothing(queue, new_job, clock, lose, add):
    job = add(queue, new_job())
    claim = queue.claims.claim("thought dead")
    lose(queue, claim, clock)
    before, written = queue.reader.get(job.id, None), queue.reader.history(job.id)
    for name, late in LATE.items():
        assert late(queue, claim) is False, name
    assert queue.reader.get(job.id, None) == before
    assert queue.reader.history(job.id) == written


def test_a_slow_worker_keeps_its_job_while_nobody_has_missed_it(queue, new_job, clock, states, add):
    job = add(queue, new_job())
    claim = queue.claims.claim("w")
    for _ in range(10):
        clock.turn(29)
        assert queue.cleaner.requeue_lost() == 0
        assert queue.claims.keep(claim, 0.5)
    clock.turn(100)
    assert queue.claims.finish(claim, **DONE, expires=9e9)
    assert queue.cleaner.requeue_lost() == 0
    assert states(queue, job) == ["waiting", "running", "done"]


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda queue, claim: queue.claims.finish(claim, **DONE, expires=9e9, delivery=DeliveryState.HELD), "done"),
        (lambda queue, claim: queue.claims.fail(claim, "no", expires=9e9), "failed"),
    ],
)
def test_an_end_may_be_told_again_when_the_answer_was_lost(queue, new_job, clock, end, state, add):
    job = add(queue, new_job())
    claim = queue.claims.claim("w")
    assert end(queue, claim)
    before, written = queue.reader.get(job.id, None), queue.reader.history(job.id)
    clock.turn(5)
    assert end(queue, claim)
    assert queue.reader.get(job.id, None) == before
    assert queue.reader.history(job.id) == written
    assert not queue.claims.keep(claim, 0.5)
    assert not queue.claims.release(claim)
    ends = [LATE["finish"], LATE["fail"]]
    assert [late(queue, claim) for late in ends] == [state == "done", state == "failed"]


def test_a_job_that_workers_die_on_waits_longer_each_time_and_then_fails(database, new_job, clock, states, add):
    queue = Queue(database, lease=30, most_attempts=3)
    job = add(queue, new_job())
    for wait in (2, 4):
        assert queue.claims.claim("w")
        clock.turn(30)
        assert queue.cleaner.requeue_lost() == 0
        clock.turn(1)
        assert queue.cleaner.requeue_lost() == 1
        assert queue.reader.get(job.id, None).started is None
        clock.turn(wait - 1)
        assert queue.claims.claim("w") is None
        clock.turn(1)
    assert queue.claims.claim("w").job.attempts == 3
    clock.turn(31)
    assert queue.cleaner.requeue_lost() == 1
    failed = queue.reader.get(job.id, None)
    assert (failed.state, failed.error) == (JobState.FAILED, "the worker died 3 times while processing this photo")
    assert (failed.finished, failed.expires) == (clock.now, clock.now + DAY)
    assert states(queue, job) == ["waiting", "running"] * 3 + ["failed"]


# --- several processes


def test_four_processes_do_each_of_200_jobs_once(queue, database_url, new_job, at_once, add):
    added = [add(queue, new_job(owner=f"{number % 7}")) for number in range(200)]
    code = """
import os
from recessive.service.store.claims import Claims
from recessive.service.store.database import Database
with Database(url) as database:
    claims = Claims(database)
    ready.release()
    start.acquire()
    while (claim := claims.claim(f"worker {os.getpid()}")) is not None:
        assert claims.finish(claim, report={}, insight=None, result=str(os.getpid()), sheet=None, expires=9e9)
"""
    at_once(code, 4, url=database_url)
    assert queue.reader.counts() == {"waiting": 0, "running": 0, "done": 200, "failed": 0, "cancelled": 0}
    for job in added:
        (_, first, _), (_, second, claimer), (_, third, finisher) = queue.reader.history(job.id)
        assert (first, second, third) == ("waiting", "running", "done")
        assert claimer == finisher == f"worker {queue.reader.get(job.id, job.owner).result}"
    by = Counter(queue.reader.get(job.id, job.owner).worker for job in added)
    assert len(by) > 1  # or nothing was tried here


@pytest.fixture
def killed(process):
    """Runs code in a process of its own, and kills it once it says that it is ready."""

    def run(code, **names):
        worker = process(code, **names)
        assert worker.ready.acquire(timeout=30)
        worker.kill()
        worker.join()

    return run


def test_the_job_of_a_killed_worker_is_done_once_by_another(database, database_url, new_job, clock, killed, add):
    queue = Queue(database, lease=0.1)
    job = add(queue, new_job())
    code = """
import time
from recessive.service.store.claims import Claims
from recessive.service.store.database import Database
database = Database(url)
claims = Claims(database, lease=0.1)
claim = claims.claim("killed")
assert claims.keep(claim, 0.5)
ready.release()
time.sleep(60)
"""
    killed(code, url=database_url)
    clock.turn(60)  # the test's clock is ahead from here: nobody needs to wait
    assert queue.claims.claim("other") is None
    assert queue.cleaner.requeue_lost() == 1
    clock.turn(60)
    claim = queue.claims.claim("other")
    assert (claim.job.id, claim.job.attempts, claim.job.progress) == (job.id, 2, 0)
    assert queue.claims.finish(claim, **DONE, expires=9e9)
    assert queue.cleaner.requeue_lost() == 0
    assert [(state, worker) for _, state, worker in queue.reader.history(job.id)] == [
        ("waiting", None),
        ("running", "killed"),
        ("waiting", "killed"),
        ("running", "other"),
        ("done", "other"),
    ]


def test_a_worker_killed_while_it_claims_has_claimed_nothing(queue, database_url, new_job, killed, states, add):
    job = add(queue, new_job())
    code = """
import time
from recessive.service.store.claims import take
from recessive.service.store.database import Database
database = Database(url)
with database.begin() as connection:
    assert take(connection, database.now(connection), "killed", 30)
    ready.release()
    time.sleep(60)
"""
    killed(code, url=database_url)
    claim = None
    for _ in range(1_000):  # PostgreSQL needs a moment to see that it is gone
        claim = claim or queue.claims.claim("other")
    assert claim.job.attempts == 1
    assert states(queue, job) == ["waiting", "running"]
