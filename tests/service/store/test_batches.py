"""Jobs that are added together: as if they came one after another, for the price of about one."""

import runpy
from pathlib import Path

import pytest
from sqlalchemy import event

from recessive.service.store.inbox import QueueFull, QuotaSpent

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]
DAY = 86_400


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
