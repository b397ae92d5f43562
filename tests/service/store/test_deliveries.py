"""Each photo is delivered once it may be, and as often as it takes."""

from dataclasses import replace

from recessive.service.store.job import DeliveryState, JobState

HOUR = 3_600


def test_a_photo_is_delivered_once(queue, done_job, clock):
    job = done_job(delivery=DeliveryState.WAITING)
    assert (job.delivery, job.delivery_attempts, job.delivery_next) == (DeliveryState.WAITING, 0, clock.now)
    claim = queue.deliveries.claim("w")
    assert claim.job == replace(job, delivery_attempts=1)
    assert queue.deliveries.claim("other") is None
    clock.turn(5)
    assert queue.deliveries.delivered(claim)
    after = queue.reader.get(job.id, None)
    assert (after.delivery, after.delivered, after.delivery_next) == (DeliveryState.DELIVERED, clock.now, None)
    assert after.state == JobState.DONE
    assert queue.deliveries.delivered(claim)  # told again
    assert queue.reader.get(job.id, None) == after
    assert not queue.deliveries.failed(claim, "late", 1.0)
    assert not queue.deliveries.failed(claim, "late", None)
    assert queue.deliveries.claim("w") is None
    assert queue.reader.history(job.id)[-2:] == [
        (clock.now - 5, "done", "maker"),
        (clock.now, "delivery delivered", "w"),
    ]


def test_what_is_held_is_not_delivered(queue, done_job, states):
    held = done_job(delivery=DeliveryState.HELD, delivery_error="found")
    assert queue.deliveries.claim("w") is None
    assert (held.delivery, held.delivery_error, held.delivery_next) == (DeliveryState.HELD, "found", None)
    assert states(queue, held)[-2:] == ["done", "delivery held"]


def test_a_delivery_that_failed_is_due_again_or_given_up(queue, done_job, clock, states):
    job = done_job(delivery=DeliveryState.WAITING)
    claim = queue.deliveries.claim("w")
    assert queue.deliveries.failed(claim, "503", retry_in=10)
    assert not queue.deliveries.delivered(claim)
    after = queue.reader.get(job.id, None)
    assert (after.delivery, after.delivery_error, after.delivery_next) == (DeliveryState.WAITING, "503", clock.now + 10)
    clock.turn(9)
    assert queue.deliveries.claim("w") is None
    clock.turn(1)
    claim = queue.deliveries.claim("w")
    assert claim.job.delivery_attempts == 2
    assert queue.deliveries.failed(claim, "404", retry_in=None)
    assert queue.deliveries.failed(claim, "404", retry_in=None)  # told again
    after = queue.reader.get(job.id, None)
    assert (after.delivery, after.delivery_error, after.delivery_next) == (DeliveryState.FAILED, "404", None)
    assert queue.deliveries.claim("w") is None
    assert states(queue, job)[-2:] == ["done", "delivery failed"]


def test_deliveries_come_in_the_order_in_which_they_are_due(queue, done_job, clock):
    first = done_job(delivery=DeliveryState.WAITING)
    assert queue.deliveries.failed(queue.deliveries.claim("w"), "503", retry_in=10)
    clock.turn(5)
    second = done_job(delivery=DeliveryState.WAITING)
    clock.turn(10)
    assert [queue.deliveries.claim("w").job.id for _ in range(2)] == [second.id, first.id]


def test_a_delivery_whose_worker_died_is_taken_by_another(queue, done_job, clock):
    job = done_job(delivery=DeliveryState.WAITING)
    lost = queue.deliveries.claim("dies")
    clock.turn(119)
    assert queue.cleaner.requeue_lost() == 0
    clock.turn(2)
    assert queue.cleaner.requeue_lost() == 1
    assert queue.reader.get(job.id, None).delivery_error == "the worker died during attempt 1"
    assert queue.deliveries.claim("other") is None
    clock.turn(2)
    claim = queue.deliveries.claim("other")
    assert not queue.deliveries.delivered(lost)
    assert not queue.deliveries.failed(lost, "late", None)
    assert queue.deliveries.delivered(claim)
    assert queue.reader.get(job.id, None).delivery_error is None


def test_a_delivery_that_workers_die_on_is_given_up(queue, done_job, clock, states):
    job = done_job(delivery=DeliveryState.WAITING)
    for _ in range(12):
        assert queue.deliveries.claim("dies")
        clock.turn(121)
        assert queue.cleaner.requeue_lost() == 1
        clock.turn(HOUR)
    assert queue.reader.get(job.id, None).delivery == DeliveryState.FAILED
    assert queue.deliveries.claim("w") is None
    assert states(queue, job)[-1] == "delivery failed"


def test_a_deleted_job_is_not_delivered(queue, done_job):
    job = done_job(delivery=DeliveryState.WAITING)
    claim = queue.deliveries.claim("w")
    assert queue.inbox.delete(job.id, None)
    assert not queue.deliveries.delivered(claim)
    assert not queue.deliveries.failed(claim, "503", 1.0)
