"""What owners, event streams and figures see of the jobs."""

from dataclasses import replace

import pytest

from recessive.service.store.job import DeliveryState, JobState


@pytest.mark.parametrize(("owner", "other"), [("anna", "ben"), ("anna", None), (None, "anna")])
def test_a_job_is_its_owners_alone(queue, new_job, owner, other, add):
    job = add(queue, new_job(owner=owner))
    assert job.owner == owner
    assert queue.reader.get(job.id, other) is None
    assert queue.reader.list(other, 10) == []
    assert queue.inbox.cancel(job.id, other) is None
    assert queue.inbox.delete(job.id, other) is None
    assert queue.reader.get(job.id, owner) == job
    assert queue.reader.list(owner, 10) == [job]
    assert queue.reader.watch([job.id, "unknown"]) == [job]


def test_pages_of_a_list_have_each_job_once_newest_first(queue, new_job, clock, add):
    added = []
    for number in range(9):
        added.append(add(queue, new_job(owner="anna")))
        add(queue, new_job(owner="ben"))
        clock.turn(number % 3)  # some at the same time
    pages, before = [], None
    while page := queue.reader.list("anna", 4, before):
        pages += page
        before = (page[-1].created, page[-1].id)
    assert pages == sorted(added, key=lambda job: (job.created, job.id), reverse=True)


def test_lists_leave_the_insight_out(queue, done_job):
    whole = done_job()
    assert whole.insight is not None
    assert queue.reader.list(None, 1) == queue.reader.watch([whole.id]) == [replace(whole, insight=None)]


def test_many_names_are_looked_up_at_once(queue, new_job, add):
    one, two = add(queue, new_job()), add(queue, new_job())
    queue.claims.claim("w")
    ids = {one.id, two.id, *(f"unknown-{number}" for number in range(2_500))}
    assert queue.reader.known(ids) == {one.id: JobState.RUNNING, two.id: JobState.WAITING}
    assert {job.id for job in queue.reader.watch(ids)} == {one.id, two.id}
    assert queue.reader.known([]) == {}


# --- figures


def test_what_there_is_is_counted(queue, new_job, done_job, clock, add):
    assert queue.reader.counts() == {"waiting": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    assert queue.reader.delivery_counts() == {"waiting": 0, "delivered": 0, "held": 0, "failed": 0}
    assert queue.reader.oldest_waiting() is None
    done_job(delivery=DeliveryState.WAITING)
    for _ in range(3):
        add(queue, new_job())
        clock.turn(10)
    queue.claims.claim("w")
    assert queue.reader.counts() == {"waiting": 2, "running": 1, "done": 1, "failed": 0, "cancelled": 0}
    assert queue.reader.delivery_counts() == {"waiting": 1, "delivered": 0, "held": 0, "failed": 0}
    assert queue.reader.oldest_waiting() == 20


def test_workers_count_while_they_are_seen(queue, clock):
    assert queue.reader.workers() == 0
    queue.claims.seen("a")
    clock.turn(20)
    queue.claims.seen("b")
    assert queue.reader.workers() == 2
    clock.turn(15)
    queue.cleaner.expire()
    assert queue.reader.workers() == 1
    queue.claims.seen("a")
    assert queue.reader.workers() == 2
