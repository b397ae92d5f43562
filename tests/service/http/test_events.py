"""Event streams: what listeners are told, at what cost, and when it ends."""

import asyncio
import http.client
import json
import runpy
import threading
import time
from contextlib import ExitStack, aclosing, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from recessive.service.http import events
from recessive.service.http.events import Watcher, is_final
from recessive.service.store.database import DatabaseError
from recessive.service.store.job import DeliveryState, JobState

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
serve, service, listening = (_api[name] for name in ("serve", "service", "listening"))


class Table:
    """Jobs that a test changes, and how often somebody asked for which."""

    def __init__(self, *jobs):
        self.rows = {job.id: job for job in jobs}
        self.asked = []
        self.away = False

    def watch(self, ids):
        self.asked.append(sorted(ids))
        if self.away:
            raise DatabaseError("it is away")
        return [self.rows[job_id] for job_id in ids if job_id in self.rows]

    def change(self, job_id, **values):
        self.rows[job_id] = replace(self.rows[job_id], **values)


@pytest.fixture
def job(service):
    """A job that waits."""
    service.send()
    return service.queue.reader.list(None, 1)[0]


@pytest.fixture
def play():
    """Runs a test's coroutine, which must not take long."""

    def run(coroutine):
        async def limited():
            async with asyncio.timeout(10):
                await coroutine

        asyncio.run(limited())

    return run


def test_each_change_is_told_once(job, play):
    table = Table(job)

    async def listen():
        async with aclosing(Watcher(table, every=0.001).follow(job)) as changes:
            assert await anext(changes) == job
            for progress in (0.25, 0.5):
                table.change(job.id, state=JobState.RUNNING, progress=progress)
                assert (await anext(changes)).progress == progress
            asked = len(table.asked)
            following = asyncio.ensure_future(anext(changes))
            while len(table.asked) < asked + 5:
                await asyncio.sleep(0.001)
            assert not following.done()  # nothing has changed
            table.change(job.id, state=JobState.DONE)
            assert (await following).state == JobState.DONE
            assert [state async for state in changes] == []

    play(listen())


def test_all_who_listen_cost_one_query(job, play):
    jobs = [replace(job, id=str(number)) for number in range(20)]
    table = Table(*jobs)

    async def listen():
        watcher = Watcher(table, every=0.001)
        streams = [watcher.follow(job) for job in jobs for _ in range(3)]
        assert table.asked == []
        for stream in streams:
            await anext(stream)
        while not table.asked:
            await asyncio.sleep(0.001)
        table.asked.clear()
        for changed in jobs:
            table.change(changed.id, progress=0.5)
        assert {(await anext(stream)).progress for stream in streams} == {0.5}
        assert set(map(len, table.asked)) == {20}
        for stream in streams:
            await stream.aclose()
        await asyncio.sleep(0.01)
        table.asked.clear()
        await asyncio.sleep(0.02)
        assert table.asked == []  # nobody listens any more

    play(listen())


def test_a_delivery_belongs_to_it(job, play):
    waiting = replace(job, state=JobState.DONE, delivery=DeliveryState.WAITING)
    table = Table(waiting)

    async def listen():
        async with aclosing(Watcher(table, every=0.001).follow(waiting)) as changes:
            assert await anext(changes) == waiting
            table.change(job.id, delivery_attempts=1)
            assert (await anext(changes)).delivery_attempts == 1
            table.change(job.id, delivery=DeliveryState.DELIVERED)
            assert [state.delivery async for state in changes] == [DeliveryState.DELIVERED]

    play(listen())


@pytest.mark.parametrize("state", [JobState.DONE, JobState.FAILED, JobState.CANCELLED])
def test_a_final_job_is_told_and_that_is_all(job, play, state):
    final = replace(job, state=state, insight={"large": 1})
    table = Table(final)

    async def listen():
        watcher = Watcher(table, every=0.001)
        assert [told.state async for told in watcher.follow(final)] == [state]

    play(listen())
    assert is_final(final)


def test_insight_which_only_some_queries_have_is_no_change(job, play):
    delivering = replace(job, state=JobState.DONE, delivery=DeliveryState.WAITING)
    table = Table(delivering)

    async def listen():
        async with aclosing(Watcher(table, every=0.001).follow(replace(delivering, insight={"heat": []}))) as changes:
            await anext(changes)
            while len(table.asked) < 3:
                await asyncio.sleep(0.001)
            table.change(job.id, delivery=DeliveryState.FAILED)
            assert [told.delivery async for told in changes] == [DeliveryState.FAILED]

    play(listen())


def test_a_stream_ends_with_its_job(job, play):
    table = Table(job)

    async def listen():
        async with aclosing(Watcher(table, every=0.001).follow(job)) as changes:
            await anext(changes)
            del table.rows[job.id]
            assert [state async for state in changes] == []

    play(listen())


def test_a_database_that_is_away_for_a_while(job, play, caplog):
    table = Table(job)
    table.away = True

    async def listen():
        async with aclosing(Watcher(table, every=0.001).follow(job)) as changes:
            await anext(changes)
            following = asyncio.ensure_future(anext(changes))
            while len(table.asked) < 3:
                await asyncio.sleep(0.001)
            table.change(job.id, progress=0.5)
            table.away = False
            assert (await following).progress == 0.5

    play(listen())
    assert {record.getMessage() for record in caplog.records if "watching" in record.msg} == {
        "watching jobs: DatabaseError"
    }


def test_who_hears_nothing_is_told_so(job, play, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE", 0.02)
    table = Table(job)

    async def listen():
        async with aclosing(Watcher(table, every=0.001).follow(job)) as changes:
            assert [await anext(changes) for _ in range(3)] == [job, None, None]

    play(listen())
    assert events.event(None) == b": still here\n\n"


def test_closing_ends_all(job, play):
    async def listen():
        watcher = Watcher(Table(job), every=60)
        first, second = watcher.follow(job), watcher.follow(job)
        await anext(first)
        await anext(second)
        watcher.close()
        for stream in (first, second):
            assert [state async for state in stream] == []
        assert [state async for state in watcher.follow(job)] == [job]

    play(listen())


@contextmanager
def stream(port, job_id):
    """Events of a job, over a real connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", f"/v1/jobs/{job_id}/events")
        response = connection.getresponse()
        assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert (response.headers["cache-control"], response.headers["x-accel-buffering"]) == ("no-store", "no")

        def told():
            while line := response.readline():
                assert line == b"event: job\n"
                data = response.readline()
                assert response.readline() == b"\n"
                yield json.loads(data.removeprefix(b"data: "))

        yield told()


@pytest.mark.parametrize("protocol", ["h11", "httptools"])
def test_a_job_from_beginning_to_end(service, job, protocol):
    with listening(service.app, http=protocol) as port, stream(port, job.id) as told:
        assert next(told) == service.get(f"/v1/jobs/{job.id}").json()
        claim = service.queue.claims.claim("worker")
        assert next(told)["state"] == "running"
        service.queue.claims.keep(claim, 0.5)
        assert next(told)["progress"] == 0.5
        service.queue.claims.release(claim)
        assert next(told)["state"] == "waiting"
        service.finish(job.id)
        (last,) = told
        assert (last["state"], last["verdict"]) == ("done", "hidden from conv-gem")
        assert last == service.get(f"/v1/jobs/{job.id}").json()


def test_a_listener_that_goes_away_costs_nothing_more(service, job):
    watcher = service.dependencies.watcher
    with listening(service.app, http="h11") as port:
        with stream(port, job.id) as told:
            next(told)
            assert list(watcher._followers) == [job.id]
        deadline = time.monotonic() + 10
        while watcher._followers:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert watcher._polling is None


def test_a_server_that_stops_waits_for_no_listener(service, job):
    rest = []
    with ExitStack() as server:
        port = server.enter_context(listening(service.app, http="h11"))
        with stream(port, job.id) as told:
            next(told)
            listener = threading.Thread(target=lambda: rest.extend(told))
            listener.start()
            start = time.monotonic()
            server.close()
            assert time.monotonic() - start < 5
            listener.join(10)
            assert (listener.is_alive(), rest) == (False, [])
