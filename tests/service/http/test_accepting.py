"""Concurrent uploads: committed together, each told what became of its own."""

import asyncio
import runpy
import threading
from pathlib import Path

import pytest

from recessive.options import JobOptions
from recessive.service.http.uploads import JobRequest, PhotoFile, accept
from recessive.service.store.database import DatabaseError
from recessive.service.store.inbox import Inbox, QueueFull
from recessive.service.store.job import NewJob

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
JPEG, serve, service = (_api[name] for name in ("JPEG", "serve", "service"))


class HeldInbox(Inbox):
    """Commits once the test lets it; `batches` has how many jobs at a time."""

    def __init__(self, service):
        super().__init__(service.queue.database, queue=service.dependencies.settings.queue)
        self.batches, self.free = [], threading.Event()

    def add_batch(self, requests):
        self.batches.append(len(requests))
        assert self.free.wait(10)
        return super().add_batch(requests)


def added(service, inbox, asked, then=lambda: None):
    """What becomes of photos that are sent at once."""

    async def one(asked):
        storage = service.dependencies.storage
        with PhotoFile(storage.incoming / asked.id, 10**6, 10**6) as photo:
            photo.add(memoryview(JPEG))
            return await accept(photo, asked, inbox, storage)

    async def play():
        async with asyncio.timeout(10):
            tasks = [asyncio.create_task(one(each)) for each in asked]
            while len(list(service.dependencies.storage.originals.iterdir())) < len(asked):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)  # all that can wait does
            then()
            return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(play())


def asked(number, idempotency=None, **options):
    return JobRequest(f"{number:032x}", f"{number}.jpg", JobOptions(**options), None, idempotency)


def test_those_that_come_meanwhile_are_added_together(service):
    held = HeldInbox(service)
    jobs = added(service, held, [asked(number) for number in range(10)], held.free.set)
    assert [job.id for job in jobs] == [f"{number:032x}" for number in range(10)]
    assert len(service.files()) == len(service.queue.reader.list(None, 20)) == sum(held.batches) == 10
    assert len(held.batches) <= 3
    assert [job.id for job in added(service, held, [asked(11)])] == [f"{11:032x}"]


def test_there_is_room_for_some(serve):
    service = serve(queue=3)
    held = HeldInbox(service)
    found = added(service, held, [asked(n) for n in range(5)], held.free.set)
    assert sum(isinstance(each, QueueFull) for each in found) == 2
    waiting = service.queue.reader.list(None, 10)
    assert {each.id for each in found if not isinstance(each, QueueFull)} == {job.id for job in waiting}
    assert sorted(service.files()) == sorted(job.original for job in waiting)


def test_the_same_request_several_times_at_once(service):
    held = HeldInbox(service)
    several = [asked(1, "a"), asked(2, "a"), asked(3, "a", steps=5)]
    found = added(service, held, several, held.free.set)
    (job,) = service.queue.reader.list(None, 5)
    assert service.files() == [job.original]
    alike = [each for each in found if not isinstance(each, Exception)]
    assert {each.id for each in alike} == {job.id}
    assert len(alike) == (1 if job.options["steps"] else 2)  # whichever came first
    assert {each.kind for each in found if isinstance(each, Exception)} == {"idempotency-key-reused"}


def test_a_database_that_fails_is_told_to_all(service):
    class Unavailable(Inbox):
        def add_batch(self, _):
            raise DatabaseError("it is away")

    found = added(service, Unavailable(service.queue.database), [asked(number) for number in range(3)])
    assert [str(error) for error in found] == ["it is away"] * 3
    assert len(service.files()) == 3  # each may have a job all the same


def test_one_who_is_gone_does_not_hold_up_the_others(service):
    held = HeldInbox(service)

    async def play():
        first = asyncio.create_task(held.add(_new(1), None))
        second = asyncio.create_task(held.add(_new(2), None))
        while not held.batches:
            await asyncio.sleep(0.001)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.free.set()
        return await second

    job, _ = asyncio.run(play())
    assert job.id == f"{2:032x}"
    assert len(service.queue.reader.list(None, 5)) == 2  # what was begun is done


def _new(number):
    job_id = f"{number:032x}"
    return NewJob(job_id, None, "a.jpg", "JPEG", 1, 1, 1, f"{job_id}.jpg", {})
