"""Jobs are accepted within limits and once, one by one or together, cancelled and deleted by their owners alone."""

import runpy
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from recessive.service.store.inbox import Busy, QueueFull, QuotaSpent
from recessive.service.store.job import JobState
from recessive.service.store.tables import accepted

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]
HOUR, DAY = 3_600, 86_400


def test_a_full_queue_takes_no_more_until_there_is_room(database, new_job, add):
    queue = Queue(database, queue=2)
    for _ in range(2):
        queue.inbox.check_quotas(None)
        add(queue, new_job())
    for refused in (lambda: queue.inbox.check_quotas(None), lambda: queue.add(new_job(), None)):
        with pytest.raises(QueueFull, match=r"queue is full \(waiting jobs: 2\)") as full:
            refused()
        assert full.value.retry_after >= 1
    queue.claims.claim("w")
    add(queue, new_job())
    with pytest.raises(QueueFull):
        queue.inbox.check_quotas(None)


def test_a_key_has_so_many_jobs_at_once(queue, keys, new_job, add):
    key, _ = keys.add("anna", waiting=2)
    other, _ = keys.add("ben")
    first = add(queue, new_job(owner=key.id), key)
    queue.claims.claim("w")  # one runs, which counts too
    add(queue, new_job(owner=key.id), key)
    for refused in (lambda: queue.inbox.check_quotas(key), lambda: queue.add(new_job(owner=key.id), key)):
        with pytest.raises(QuotaSpent, match=r"at once \(limit: 2\)"):
            refused()
    add(queue, new_job(owner=other.id), other)
    queue.inbox.cancel(first.id, key.id)
    add(queue, new_job(owner=key.id), key)


def test_a_key_has_so_many_jobs_a_day_even_if_it_deletes_them(database, queue, keys, new_job, clock, add):
    key, _ = keys.add("anna", per_day=2)
    for _ in range(2):
        job = add(queue, new_job(owner=key.id), key)
        assert queue.inbox.delete(job.id, key.id)
        clock.turn(HOUR)
    queue.cleaner.expire()
    for refused in (lambda: queue.inbox.check_quotas(key), lambda: queue.add(new_job(owner=key.id), key)):
        with pytest.raises(QuotaSpent, match=r"24 hours \(limit: 2\)") as spent:
            refused()
        assert spent.value.retry_after == DAY - 2 * HOUR
    clock.turn(spent.value.retry_after)
    queue.cleaner.expire()
    with database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(accepted)) == 1  # nothing is kept for longer
    add(queue, new_job(owner=key.id), key)
    with pytest.raises(QuotaSpent):
        queue.inbox.check_quotas(key)


def test_what_comes_back_always_has_room(database, new_job, clock, add):
    queue = Queue(database, queue=1)
    add(queue, new_job())
    claim = queue.claims.claim("w")
    add(queue, new_job())
    assert queue.claims.claim("w")
    add(queue, new_job())
    assert queue.claims.release(claim)
    clock.turn(HOUR)
    assert queue.cleaner.requeue_lost() == 1
    assert queue.reader.counts()["waiting"] == 3


@pytest.mark.parametrize("limit", ["queue", "waiting", "per_day"])
def test_threads_that_add_at_once_never_exceed_a_limit(database, keys, new_job, limit):
    queue = Queue(database, queue=5 if limit == "queue" else 1_000)
    key = None if limit == "queue" else keys.add("anna", **{limit: 5})[0]
    owner = key and key.id

    def some(_):
        added = 0
        for _ in range(3):
            try:
                queue.add(new_job(owner=owner), key)
                added += 1
            except Busy:
                pass
        return added

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(some, range(8))) == 5
    assert queue.reader.counts()["waiting"] == 5


def test_processes_that_add_at_once_never_exceed_a_limit(queue, database_url, at_once):
    code = """
import uuid
from recessive.service.store.database import Database
from recessive.service.store.inbox import Inbox
from recessive.service.store.job import NewJob
with Database(url) as database:
    ready.release()
    start.acquire()
    for _ in range(20):
        name = uuid.uuid4().hex
        Inbox(database, queue=30).add_batch([(NewJob(name, None, "a", "PNG", 1, 1, 1, name, {}), None)])
"""
    at_once(code, 4, url=database_url)
    assert queue.reader.counts()["waiting"] == 30


# --- sent again


def test_the_same_request_makes_one_job(queue, new_job, add):
    first = add(queue, new_job(owner="anna", idempotency="one"))
    assert queue.add(new_job(owner="anna", idempotency="one"), None) == (first, False)
    others = [("anna", "two"), ("ben", "one"), (None, "one"), ("anna", None), ("anna", None)]
    ids = {add(queue, new_job(owner=owner, idempotency=name)).id for owner, name in others}
    assert len(ids | {first.id}) == 6
    assert queue.add(new_job(idempotency="one"), None)[1] is False


def test_the_same_request_needs_no_room_and_counts_once(database, keys, new_job, add):
    queue = Queue(database, queue=1)
    key, _ = keys.add("anna", per_day=2)
    first = add(queue, new_job(owner=key.id, idempotency="one"), key)
    assert queue.add(new_job(owner=key.id, idempotency="one"), key) == (first, False)
    queue.inbox.cancel(first.id, key.id)
    add(queue, new_job(owner=key.id), key)


@pytest.mark.parametrize("idempotency", [None, "one"])
def test_a_job_may_be_added_again_when_the_answer_was_lost(queue, new_job, add, idempotency):
    new = new_job(owner="anna", idempotency=idempotency)
    job = add(queue, new)
    assert queue.add(new, None) == (job, True)
    assert queue.reader.list("anna", 10) == [job]


def test_the_same_request_at_the_same_time_makes_one_job(queue, new_job):
    def send(_):
        return queue.add(new_job(owner="anna", idempotency="one"), None)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(send, range(16)))
    assert len({job.id for job, _ in answers}) == 1
    assert Counter(added for _, added in answers) == {True: 1, False: 15}


# --- added together


def ids(outcomes):
    return [outcome[0].id for outcome in outcomes]


def test_they_are_as_many_one_after_another(database, new_job):
    queue = Queue(database, queue=3)
    first, second = new_job(idempotency="a"), new_job(idempotency="a")
    asked = [(first, None), (second, None), *((new_job(), None) for _ in range(4))]
    outcomes = queue.inbox.add_batch(asked)
    assert [outcome[1] for outcome in outcomes[:4]] == [True, False, True, True]
    assert outcomes[1][0].id == first.id
    assert [type(outcome) for outcome in outcomes[4:]] == [QueueFull, QueueFull]
    assert len(queue.reader.list(None, 10)) == 3
    assert queue.inbox.add_batch([]) == []


def test_each_is_what_was_asked_and_they_keep_their_order(queue, new_job, clock):
    news = [new_job(name=f"{number}.jpg", options={"steps": number}) for number in range(12)]
    outcomes = queue.inbox.add_batch([(new, None) for new in news])
    assert ids(outcomes) == [new.id for new in news]
    assert [(job.name, job.options) for job, _ in outcomes] == [(new.name, new.options) for new in news]
    assert [job.id for job in queue.reader.list(None, 20)] == [new.id for new in reversed(news)]
    assert [queue.claims.claim("w").job.id for _ in news] == [new.id for new in news]
    assert all([state for _, state, _ in queue.reader.history(new.id)] == ["waiting", "running"] for new in news)
    assert outcomes[0][0].created == clock.now


def test_what_was_added_before_is_found_among_new_ones(queue, new_job, add):
    before, named = add(queue, new_job()), add(queue, new_job(owner="anna", idempotency="a"))
    again = new_job(id=before.id)
    asked = [new_job(), again, new_job(owner="anna", idempotency="a"), new_job(idempotency="a"), again]
    outcomes = queue.inbox.add_batch([(new, None) for new in asked])
    assert ids(outcomes) == [asked[0].id, before.id, named.id, asked[3].id, before.id]
    assert [added for _, added in outcomes] == [True, True, False, True, True]


def test_each_key_has_its_own_limits(queue, keys, new_job, add):
    anna, ben = keys.add("anna", waiting=2)[0], keys.add("ben", waiting=3)[0]
    add(queue, new_job(owner=anna.id), anna)
    turns = [anna, ben, None, anna, ben, None, anna, ben, ben]
    outcomes = queue.inbox.add_batch([(new_job(owner=key and key.id), key) for key in turns])
    refused = [isinstance(outcome, QuotaSpent) for outcome in outcomes]
    assert refused == [False, False, False, True, False, False, True, False, True]
    assert queue.reader.counts()["waiting"] == 1 + refused.count(False)


@pytest.mark.parametrize(("before", "waits"), [(0, DAY), (1, DAY - 100), (2, DAY - 200)])
def test_they_count_for_the_day_each(queue, keys, new_job, add, clock, before, waits):
    key, _ = keys.add("anna", per_day=3)
    for _ in range(before):
        add(queue, new_job(owner=key.id), key)
        clock.turn(100)
    outcomes = queue.inbox.add_batch([(new_job(owner=key.id), key) for _ in range(5)])
    spent = [outcome for outcome in outcomes if isinstance(outcome, QuotaSpent)]
    assert len(spent) == 2 + before
    assert {each.retry_after for each in spent} == {waits}
    clock.turn(waits - 1)
    with pytest.raises(QuotaSpent):
        queue.inbox.check_quotas(key)
    clock.turn(1)
    queue.inbox.check_quotas(key)


def test_many_need_no_more_statements_than_two(database, keys, new_job):
    queue, statements = Queue(database), []
    key, _ = keys.add("anna", per_day=100, waiting=100)
    event.listen(database.engine, "before_cursor_execute", lambda *details: statements.append(details[2]))

    def asked(number):
        statements.clear()
        queue.inbox.add_batch(
            [(new_job(owner=key.id, idempotency=f"{number} {place}"), key) for place in range(number)]
        )
        return len(statements)

    assert asked(2) == asked(50) <= 9
    assert queue.reader.counts()["waiting"] == 52


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
