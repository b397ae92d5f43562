"""Each job is done once, whoever is killed whenever."""

from collections import Counter

import pytest

from recessive.service.store.claims import take
from recessive.service.store.database import Database
from recessive.service.store.job import DeliveryState, JobState
from recessive.service.store.jobs import Jobs

DONE = {"report": {"verdict": "hidden"}, "insight": {"heat": [[0.5]]}, "result": "r/photo.jpg", "sheet": "r/sheet.png"}
DAY = 86_400


def test_the_oldest_job_comes_first(jobs, new_job, add):
    added = [add(jobs, new_job()).id for _ in range(5)]
    assert [jobs.claim("w").job.id for _ in range(5)] == added
    assert jobs.claim("w") is None


def test_owners_with_fewer_running_jobs_come_first(jobs, new_job, add):
    owners = ["anna", "anna", "anna", "ben", None, "ben"]
    added = [add(jobs, new_job(owner=owner)) for owner in owners]
    order = [jobs.claim("w").job.id for _ in owners]
    assert order == [added[number].id for number in (0, 3, 4, 1, 5, 2)]


def test_a_claim_in_progress_is_passed_by(postgresql_url, new_job, add):
    """PostgreSQL: nobody waits for another's claim. (SQLite has one writer at a time.)"""
    with Database(f"{postgresql_url}?options=-clock_timeout%3D5s") as database:
        database.migrate()
        jobs = Jobs(database)
        first, second = add(jobs, new_job()), add(jobs, new_job())
        with database.begin() as connection:
            assert take(connection, database.now(connection), "slow", 30).job.id == first.id
            assert jobs.claim("quick").job.id == second.id
            assert jobs.claim("quick") is None
            assert jobs.requeue_lost() == 0


def given_up(jobs, clock):
    clock.turn(31)
    assert jobs.requeue_lost() == 1


def given_to_another(jobs, clock):
    given_up(jobs, clock)
    clock.turn(2)
    return jobs.claim("other")


def done_by_another(jobs, clock):
    other = given_to_another(jobs, clock)
    assert jobs.finish(other, **{**DONE, "result": "other"}, expires=9e9)


LATE = {
    "keep": lambda jobs, claim: jobs.keep(claim, 0.5),
    "finish": lambda jobs, claim: jobs.finish(claim, **DONE, expires=1.0, delivery=DeliveryState.WAITING),
    "fail": lambda jobs, claim: jobs.fail(claim, "late", expires=1.0),
    "release": lambda jobs, claim: jobs.release(claim),
}


@pytest.mark.parametrize(
    "lose",
    [
        lambda jobs, claim, _: jobs.cancel(claim.job.id, None),
        lambda jobs, claim, _: jobs.delete(claim.job.id, None),
        lambda jobs, claim, _: jobs.release(claim),
        lambda jobs, _, clock: given_up(jobs, clock),
        lambda jobs, _, clock: given_to_another(jobs, clock),
        lambda jobs, _, clock: done_by_another(jobs, clock),
    ],
    ids=["cancelled", "deleted", "put back", "given up", "given to another", "done by another"],
)
def test_who_has_lost_a_claim_is_told_so_and_changes_nothing(jobs, new_job, clock, lose, add):
    job = add(jobs, new_job())
    claim = jobs.claim("thought dead")
    lose(jobs, claim, clock)
    before, written = jobs.get(job.id, None), jobs.history(job.id)
    for name, late in LATE.items():
        assert late(jobs, claim) is False, name
    assert jobs.get(job.id, None) == before
    assert jobs.history(job.id) == written


def test_a_slow_worker_keeps_its_job_while_nobody_has_missed_it(jobs, new_job, clock, states, add):
    job = add(jobs, new_job())
    claim = jobs.claim("w")
    for _ in range(10):
        clock.turn(29)
        assert jobs.requeue_lost() == 0
        assert jobs.keep(claim, 0.5)
    clock.turn(100)
    assert jobs.finish(claim, **DONE, expires=9e9)
    assert jobs.requeue_lost() == 0
    assert states(jobs, job) == ["waiting", "running", "done"]


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda jobs, claim: jobs.finish(claim, **DONE, expires=9e9, delivery=DeliveryState.HELD), "done"),
        (lambda jobs, claim: jobs.fail(claim, "no", expires=9e9), "failed"),
    ],
)
def test_an_end_may_be_told_again_when_the_answer_was_lost(jobs, new_job, clock, end, state, add):
    job = add(jobs, new_job())
    claim = jobs.claim("w")
    assert end(jobs, claim)
    before, written = jobs.get(job.id, None), jobs.history(job.id)
    clock.turn(5)
    assert end(jobs, claim)
    assert jobs.get(job.id, None) == before
    assert jobs.history(job.id) == written
    assert not jobs.keep(claim, 0.5)
    assert not jobs.release(claim)
    ends = [LATE["finish"], LATE["fail"]]
    assert [late(jobs, claim) for late in ends] == [state == "done", state == "failed"]


def test_a_job_that_workers_die_on_waits_longer_each_time_and_then_fails(database, new_job, clock, states, add):
    jobs = Jobs(database, lease=30, most_attempts=3)
    job = add(jobs, new_job())
    for wait in (2, 4):
        assert jobs.claim("w")
        clock.turn(30)
        assert jobs.requeue_lost() == 0
        clock.turn(1)
        assert jobs.requeue_lost() == 1
        assert jobs.get(job.id, None).started is None
        clock.turn(wait - 1)
        assert jobs.claim("w") is None
        clock.turn(1)
    assert jobs.claim("w").job.attempts == 3
    clock.turn(31)
    assert jobs.requeue_lost() == 1
    failed = jobs.get(job.id, None)
    assert (failed.state, failed.error) == (JobState.FAILED, "the worker died 3 times on it")
    assert (failed.finished, failed.expires) == (clock.now, clock.now + DAY)
    assert states(jobs, job) == ["waiting", "running"] * 3 + ["failed"]


# --- several processes


def test_four_processes_do_each_of_200_jobs_once(jobs, database_url, new_job, at_once, add):
    added = [add(jobs, new_job(owner=f"{number % 7}")) for number in range(200)]
    code = """
import os
from recessive.service.store.database import Database
from recessive.service.store.jobs import Jobs
with Database(url) as database:
    jobs = Jobs(database)
    ready.release()
    start.acquire()
    while (claim := jobs.claim(f"worker {os.getpid()}")) is not None:
        assert jobs.finish(claim, report={}, insight=None, result=str(os.getpid()), sheet=None, expires=9e9)
"""
    at_once(code, 4, url=database_url)
    assert jobs.counts() == {"waiting": 0, "running": 0, "done": 200, "failed": 0, "cancelled": 0}
    for job in added:
        (_, first, _), (_, second, claimer), (_, third, finisher) = jobs.history(job.id)
        assert (first, second, third) == ("waiting", "running", "done")
        assert claimer == finisher == f"worker {jobs.get(job.id, job.owner).result}"
    by = Counter(jobs.get(job.id, job.owner).worker for job in added)
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
    jobs = Jobs(database, lease=0.1)
    job = add(jobs, new_job())
    code = """
import time
from recessive.service.store.database import Database
from recessive.service.store.jobs import Jobs
database = Database(url)
jobs = Jobs(database, lease=0.1)
claim = jobs.claim("killed")
assert jobs.keep(claim, 0.5)
ready.release()
time.sleep(60)
"""
    killed(code, url=database_url)
    clock.turn(60)  # the test's clock is ahead from here: nobody needs to wait
    assert jobs.claim("other") is None
    assert jobs.requeue_lost() == 1
    clock.turn(60)
    claim = jobs.claim("other")
    assert (claim.job.id, claim.job.attempts, claim.job.progress) == (job.id, 2, 0)
    assert jobs.finish(claim, **DONE, expires=9e9)
    assert jobs.requeue_lost() == 0
    assert [(state, worker) for _, state, worker in jobs.history(job.id)] == [
        ("waiting", None),
        ("running", "killed"),
        ("waiting", "killed"),
        ("running", "other"),
        ("done", "other"),
    ]


def test_a_worker_killed_while_it_claims_has_claimed_nothing(jobs, database_url, new_job, killed, states, add):
    job = add(jobs, new_job())
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
        claim = claim or jobs.claim("other")
    assert claim.job.attempts == 1
    assert states(jobs, job) == ["waiting", "running"]
