"""What owners, event streams and figures see of the jobs."""

from dataclasses import replace

import pytest

from recessive.service.store.job import DeliveryState, JobState


@pytest.mark.parametrize(("owner", "other"), [("anna", "ben"), ("anna", None), (None, "anna")])
def test_a_job_is_its_owners_alone(jobs, new_job, owner, other, add):
    job = add(jobs, new_job(owner=owner))
    assert job.owner == owner
    assert jobs.get(job.id, other) is None
    assert jobs.list(other, 10) == []
    assert jobs.cancel(job.id, other) is None
    assert jobs.delete(job.id, other) is None
    assert jobs.get(job.id, owner) == job
    assert jobs.list(owner, 10) == [job]
    assert jobs.watch([job.id, "unknown"]) == [job]


def test_pages_of_a_list_have_each_job_once_newest_first(jobs, new_job, clock, add):
    added = []
    for number in range(9):
        added.append(add(jobs, new_job(owner="anna")))
        add(jobs, new_job(owner="ben"))
        clock.turn(number % 3)  # some at the same time
    pages, before = [], None
    while page := jobs.list("anna", 4, before):
        pages += page
        before = (page[-1].created, page[-1].id)
    assert pages == sorted(added, key=lambda job: (job.created, job.id), reverse=True)


def test_lists_leave_the_insight_out(jobs, done_job):
    whole = done_job()
    assert whole.insight is not None
    assert jobs.list(None, 1) == jobs.watch([whole.id]) == [replace(whole, insight=None)]


def test_many_names_are_looked_up_at_once(jobs, new_job, add):
    one, two = add(jobs, new_job()), add(jobs, new_job())
    jobs.claim("w")
    ids = {one.id, two.id, *(f"unknown-{number}" for number in range(2_500))}
    assert jobs.known(ids) == {one.id: JobState.RUNNING, two.id: JobState.WAITING}
    assert {job.id for job in jobs.watch(ids)} == {one.id, two.id}
    assert jobs.known([]) == {}


# --- figures


def test_what_there_is_is_counted(jobs, new_job, done_job, clock, add):
    assert jobs.counts() == {"waiting": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    assert jobs.delivery_counts() == {"waiting": 0, "delivered": 0, "held": 0, "failed": 0}
    assert jobs.oldest_waiting() is None
    done_job(delivery=DeliveryState.WAITING)
    for _ in range(3):
        add(jobs, new_job())
        clock.turn(10)
    jobs.claim("w")
    assert jobs.counts() == {"waiting": 2, "running": 1, "done": 1, "failed": 0, "cancelled": 0}
    assert jobs.delivery_counts() == {"waiting": 1, "delivered": 0, "held": 0, "failed": 0}
    assert jobs.oldest_waiting() == 20


def test_workers_count_while_they_are_seen(jobs, clock):
    assert jobs.workers() == 0
    jobs.seen("a")
    clock.turn(20)
    jobs.seen("b")
    assert jobs.workers() == 2
    clock.turn(15)
    jobs.expire()
    assert jobs.workers() == 1
    jobs.seen("a")
    assert jobs.workers() == 2
