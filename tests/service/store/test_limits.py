"""Jobs are accepted within limits, and once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from recessive.service.store.job import Busy, QueueFull, QuotaSpent
from recessive.service.store.jobs import Jobs
from recessive.service.store.tables import accepted

HOUR, DAY = 3_600, 86_400


def test_a_full_queue_takes_no_more_until_there_is_room(database, new_job, add):
    jobs = Jobs(database, queue=2)
    for _ in range(2):
        jobs.check_room(None)
        add(jobs, new_job())
    for refused in (lambda: jobs.check_room(None), lambda: jobs.add(new_job(), None)):
        with pytest.raises(QueueFull, match=r"queue is full \(jobs waiting: 2\)") as full:
            refused()
        assert full.value.retry_after >= 1
    jobs.claim("w")
    add(jobs, new_job())
    with pytest.raises(QueueFull):
        jobs.check_room(None)


def test_a_key_has_so_many_jobs_at_once(jobs, keys, new_job, add):
    key, _ = keys.add("anna", waiting=2)
    other, _ = keys.add("ben")
    first = add(jobs, new_job(owner=key.id), key)
    jobs.claim("w")  # one runs, which counts too
    add(jobs, new_job(owner=key.id), key)
    for refused in (lambda: jobs.check_room(key), lambda: jobs.add(new_job(owner=key.id), key)):
        with pytest.raises(QuotaSpent, match=r"at once \(limit: 2\)"):
            refused()
    add(jobs, new_job(owner=other.id), other)
    jobs.cancel(first.id, key.id)
    add(jobs, new_job(owner=key.id), key)


def test_a_key_has_so_many_jobs_a_day_even_if_it_deletes_them(database, jobs, keys, new_job, clock, add):
    key, _ = keys.add("anna", per_day=2)
    for _ in range(2):
        job = add(jobs, new_job(owner=key.id), key)
        assert jobs.delete(job.id, key.id)
        clock.turn(HOUR)
    jobs.expire()
    for refused in (lambda: jobs.check_room(key), lambda: jobs.add(new_job(owner=key.id), key)):
        with pytest.raises(QuotaSpent, match=r"24 hours \(limit: 2\)") as spent:
            refused()
        assert spent.value.retry_after == DAY - 2 * HOUR
    clock.turn(spent.value.retry_after)
    jobs.expire()
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(accepted)) == 1  # nothing is kept for longer
    add(jobs, new_job(owner=key.id), key)
    with pytest.raises(QuotaSpent):
        jobs.check_room(key)


def test_what_comes_back_always_has_room(database, new_job, clock, add):
    jobs = Jobs(database, queue=1)
    add(jobs, new_job())
    claim = jobs.claim("w")
    add(jobs, new_job())
    assert jobs.claim("w")
    add(jobs, new_job())
    assert jobs.release(claim)
    clock.turn(HOUR)
    assert jobs.requeue_lost() == 1
    assert jobs.counts()["waiting"] == 3


@pytest.mark.parametrize("limit", ["queue", "waiting", "per_day"])
def test_threads_that_add_at_once_never_exceed_a_limit(database, keys, new_job, limit):
    jobs = Jobs(database, queue=5 if limit == "queue" else 1_000)
    key = None if limit == "queue" else keys.add("anna", **{limit: 5})[0]
    owner = key and key.id

    def some(_):
        added = 0
        for _ in range(3):
            try:
                jobs.add(new_job(owner=owner), key)
                added += 1
            except Busy:
                pass
        return added

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(some, range(8))) == 5
    assert jobs.counts()["waiting"] == 5


def test_processes_that_add_at_once_never_exceed_a_limit(jobs, database_url, at_once):
    code = """
import uuid
from recessive.service.store.database import Database
from recessive.service.store.jobs import Busy, Jobs, NewJob
with Database(url) as database:
    ready.release()
    start.acquire()
    for _ in range(20):
        name = uuid.uuid4().hex
        try:
            Jobs(database, queue=30).add(NewJob(name, None, "a", "PNG", 1, 1, 1, name, {}), None)
        except Busy:
            pass
"""
    at_once(code, 4, url=database_url)
    assert jobs.counts()["waiting"] == 30


# --- sent again


def test_the_same_request_makes_one_job(jobs, new_job, add):
    first = add(jobs, new_job(owner="anna", idempotency="one"))
    assert jobs.add(new_job(owner="anna", idempotency="one"), None) == (first, False)
    others = [("anna", "two"), ("ben", "one"), (None, "one"), ("anna", None), ("anna", None)]
    ids = {add(jobs, new_job(owner=owner, idempotency=name)).id for owner, name in others}
    assert len(ids | {first.id}) == 6
    assert jobs.add(new_job(idempotency="one"), None)[1] is False


def test_the_same_request_needs_no_room_and_counts_once(database, keys, new_job, add):
    jobs = Jobs(database, queue=1)
    key, _ = keys.add("anna", per_day=2)
    first = add(jobs, new_job(owner=key.id, idempotency="one"), key)
    assert jobs.add(new_job(owner=key.id, idempotency="one"), key) == (first, False)
    jobs.cancel(first.id, key.id)
    add(jobs, new_job(owner=key.id), key)


@pytest.mark.parametrize("idempotency", [None, "one"])
def test_a_job_may_be_added_again_when_the_answer_was_lost(jobs, new_job, add, idempotency):
    new = new_job(owner="anna", idempotency=idempotency)
    job = add(jobs, new)
    assert jobs.add(new, None) == (job, True)
    assert jobs.list("anna", 10) == [job]


def test_the_same_request_at_the_same_time_makes_one_job(jobs, new_job):
    def send(_):
        return jobs.add(new_job(owner="anna", idempotency="one"), None)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(16)))
    assert len({job.id for job, _ in answers}) == 1
    assert Counter(added for _, added in answers) == {True: 1, False: 15}
