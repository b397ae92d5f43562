"""Each photo is delivered once it may be, and as often as it takes."""

from dataclasses import replace

from recessive.service.store.job import DeliveryState, JobState

HOUR = 3_600


def test_a_photo_is_delivered_once(jobs, done_job, clock):
    job = done_job(delivery=DeliveryState.WAITING)
    assert (job.delivery, job.delivery_attempts, job.delivery_next) == (DeliveryState.WAITING, 0, clock.now)
    claim = jobs.claim_delivery("w")
    assert claim.job == replace(job, delivery_attempts=1)
    assert jobs.claim_delivery("other") is None
    clock.turn(5)
    assert jobs.delivered(claim)
    after = jobs.get(job.id, None)
    assert (after.delivery, after.delivered, after.delivery_next) == (DeliveryState.DELIVERED, clock.now, None)
    assert after.state == JobState.DONE
    assert jobs.delivered(claim)  # told again
    assert jobs.get(job.id, None) == after
    assert not jobs.delivery_failed(claim, "late", 1.0)
    assert not jobs.delivery_failed(claim, "late", None)
    assert jobs.claim_delivery("w") is None
    assert jobs.history(job.id)[-2:] == [(clock.now - 5, "done", "maker"), (clock.now, "delivery delivered", "w")]


def test_what_is_held_is_not_delivered(jobs, done_job, states):
    held = done_job(delivery=DeliveryState.HELD, delivery_error="found")
    assert jobs.claim_delivery("w") is None
    assert (held.delivery, held.delivery_error, held.delivery_next) == (DeliveryState.HELD, "found", None)
    assert states(jobs, held)[-2:] == ["done", "delivery held"]


def test_a_delivery_that_failed_is_due_again_or_given_up(jobs, done_job, clock, states):
    job = done_job(delivery=DeliveryState.WAITING)
    claim = jobs.claim_delivery("w")
    assert jobs.delivery_failed(claim, "503", retry_in=10)
    assert not jobs.delivered(claim)
    after = jobs.get(job.id, None)
    assert (after.delivery, after.delivery_error, after.delivery_next) == (DeliveryState.WAITING, "503", clock.now + 10)
    clock.turn(9)
    assert jobs.claim_delivery("w") is None
    clock.turn(1)
    claim = jobs.claim_delivery("w")
    assert claim.job.delivery_attempts == 2
    assert jobs.delivery_failed(claim, "404", retry_in=None)
    assert jobs.delivery_failed(claim, "404", retry_in=None)  # told again
    after = jobs.get(job.id, None)
    assert (after.delivery, after.delivery_error, after.delivery_next) == (DeliveryState.FAILED, "404", None)
    assert jobs.claim_delivery("w") is None
    assert states(jobs, job)[-2:] == ["done", "delivery failed"]


def test_deliveries_come_in_the_order_in_which_they_are_due(jobs, done_job, clock):
    first = done_job(delivery=DeliveryState.WAITING)
    assert jobs.delivery_failed(jobs.claim_delivery("w"), "503", retry_in=10)
    clock.turn(5)
    second = done_job(delivery=DeliveryState.WAITING)
    clock.turn(10)
    assert [jobs.claim_delivery("w").job.id for _ in range(2)] == [second.id, first.id]


def test_a_delivery_whose_worker_died_is_taken_by_another(jobs, done_job, clock):
    job = done_job(delivery=DeliveryState.WAITING)
    lost = jobs.claim_delivery("dies")
    clock.turn(119)
    assert jobs.requeue_lost() == 0
    clock.turn(2)
    assert jobs.requeue_lost() == 1
    assert jobs.get(job.id, None).delivery_error == "the worker died during attempt 1"
    assert jobs.claim_delivery("other") is None
    clock.turn(2)
    claim = jobs.claim_delivery("other")
    assert not jobs.delivered(lost)
    assert not jobs.delivery_failed(lost, "late", None)
    assert jobs.delivered(claim)
    assert jobs.get(job.id, None).delivery_error is None


def test_a_delivery_that_workers_die_on_is_given_up(jobs, done_job, clock, states):
    job = done_job(delivery=DeliveryState.WAITING)
    for _ in range(12):
        assert jobs.claim_delivery("dies")
        clock.turn(121)
        assert jobs.requeue_lost() == 1
        clock.turn(HOUR)
    assert jobs.get(job.id, None).delivery == DeliveryState.FAILED
    assert jobs.claim_delivery("w") is None
    assert states(jobs, job)[-1] == "delivery failed"


def test_a_deleted_job_is_not_delivered(jobs, done_job):
    job = done_job(delivery=DeliveryState.WAITING)
    claim = jobs.claim_delivery("w")
    assert jobs.delete(job.id, None)
    assert not jobs.delivered(claim)
    assert not jobs.delivery_failed(claim, "503", 1.0)
