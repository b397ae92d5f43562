"""What is asked often does not need a look at every row."""

import runpy
from pathlib import Path

import pytest
from sqlalchemy import event

from recessive.service.store.database import Database
from recessive.service.store.job import DeliveryState
from recessive.service.store.keys import Keys

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]


@pytest.fixture
def asked(sqlite_url):
    """Jobs, and the statements that they have asked SQLite, with their values."""
    with Database(sqlite_url) as database:
        database.migrate()
        statements = []

        @event.listens_for(database.engine, "before_cursor_execute")
        def write_down(*details):
            statement, parameters = details[2:4]
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                statements.append((statement, parameters))

        yield Queue(database), statements


@pytest.mark.parametrize("call", ["add", "claim", "keep", "finish", "list", "get", "expire", "requeue_lost", "deliver"])
def test_rows_are_found_by_an_index(asked, new_job, add, call):
    queue, statements = asked
    key, _ = Keys(queue.database).add("anna", per_day=10, waiting=10)
    job = add(queue, new_job(owner=key.id))
    claim = None if call == "claim" else queue.claims.claim("w")
    done = {"report": {}, "insight": None, "result": "", "sheet": None, "expires": 1.0}
    if call == "deliver":
        queue.claims.finish(claim, **done, delivery=DeliveryState.WAITING)
    calls = {
        "add": lambda: queue.add(new_job(owner=key.id, idempotency="one"), key),
        "claim": lambda: queue.claims.claim("w"),
        "keep": lambda: queue.claims.keep(claim, 0.5),
        "finish": lambda: queue.claims.finish(claim, **done),
        "list": lambda: queue.reader.list(key.id, 10, (2e9, job.id)),
        "get": lambda: queue.reader.get(job.id, key.id),
        "expire": queue.cleaner.expire,
        "requeue_lost": queue.cleaner.requeue_lost,
        "deliver": lambda: queue.deliveries.delivered(queue.deliveries.claim("w")),
    }
    statements.clear()
    calls[call]()
    of_jobs = [asked for asked in statements if "jobs" in asked[0]]
    assert of_jobs
    with queue.database.read() as connection:
        for statement, values in of_jobs:
            plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            assert any(step.startswith("SEARCH jobs USING") for step in plan), (statement, plan)
            assert not any(step.startswith("SCAN jobs") for step in plan), (statement, plan)
