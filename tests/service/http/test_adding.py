"""Jobs of photos that come at the same time: added together, each told what became of its own."""

import asyncio
import runpy
import threading
from pathlib import Path

import pytest

from recessive.service.http.adding import Adder, Asked
from recessive.service.http.uploads import Limits, PhotoFile
from recessive.service.settings import JobOptions
from recessive.service.store.database import DatabaseError
from recessive.service.store.jobs import NewJob, QueueFull

_api = runpy.run_path(str(Path(__file__).with_name("api_client.py")))
JPEG, serve, service = (_api[name] for name in ("JPEG", "serve", "service"))


class Held:
    """Jobs that are added once the test lets them; `batches` has how many at a time."""

    def __init__(self, jobs):
        self._jobs, self.batches, self.free = jobs, [], threading.Event()

    def add_all(self, asked):
        self.batches.append(len(asked))
        assert self.free.wait(10)
        return self._jobs.add_all(asked)


def added(service, adder, asked, then=lambda: None):
    """What becomes of photos that are sent at once."""

    async def one(asked):
        with PhotoFile(service.parts.storage.incoming / asked.id, Limits(10**6, 10**6)) as photo:
            photo.add(memoryview(JPEG))
            return await adder.add(photo, asked)

    async def play():
        async with asyncio.timeout(10):
            tasks = [asyncio.create_task(one(each)) for each in asked]
            while len(list(service.parts.storage.originals.iterdir())) < len(asked):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)  # all that can wait does
            then()
            return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(play())


def asked(number, idempotency=None, **options):
    return Asked(f"{number:032x}", f"{number}.jpg", JobOptions(**options), None, idempotency)


def test_those_that_come_meanwhile_are_added_together(service):
    held = Held(service.jobs)
    adder = Adder(held, service.parts.storage)
    jobs = added(service, adder, [asked(number) for number in range(10)], held.free.set)
    assert [job.id for job in jobs] == [f"{number:032x}" for number in range(10)]
    assert len(service.files()) == len(service.jobs.list(None, 20)) == sum(held.batches) == 10
    assert len(held.batches) <= 3
    assert [job.id for job in added(service, adder, [asked(11)])] == [f"{11:032x}"]


def test_there_is_room_for_some(serve):
    service = serve(queue=3)
    held = Held(service.jobs)
    found = added(service, Adder(held, service.parts.storage), [asked(n) for n in range(5)], held.free.set)
    assert sum(isinstance(each, QueueFull) for each in found) == 2
    waiting = service.jobs.list(None, 10)
    assert {each.id for each in found if not isinstance(each, QueueFull)} == {job.id for job in waiting}
    assert sorted(service.files()) == sorted(job.original for job in waiting)


def test_the_same_request_several_times_at_once(service):
    held = Held(service.jobs)
    several = [asked(1, "a"), asked(2, "a"), asked(3, "a", steps=5)]
    found = added(service, Adder(held, service.parts.storage), several, held.free.set)
    (job,) = service.jobs.list(None, 5)
    assert service.files() == [job.original]
    alike = [each for each in found if not isinstance(each, Exception)]
    assert {each.id for each in alike} == {job.id}
    assert len(alike) == (1 if job.options["steps"] else 2)  # whichever came first
    assert {each.kind for each in found if isinstance(each, Exception)} == {"idempotency-key-reused"}


def test_a_database_that_fails_is_told_to_all(service):
    class Away:
        def add_all(self, _):
            raise DatabaseError("it is away")

    found = added(service, Adder(Away(), service.parts.storage), [asked(number) for number in range(3)])
    assert [str(error) for error in found] == ["it is away"] * 3
    assert len(service.files()) == 3  # each may have a job all the same


def test_one_who_is_gone_does_not_hold_up_the_others(service):
    held = Held(service.jobs)
    adder = Adder(held, service.parts.storage)

    async def play():
        first = asyncio.create_task(adder._added(_new(1), None))
        second = asyncio.create_task(adder._added(_new(2), None))
        while not held.batches:
            await asyncio.sleep(0.001)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.free.set()
        return await second

    job, _ = asyncio.run(play())
    assert job.id == f"{2:032x}"
    assert len(service.jobs.list(None, 5)) == 2  # what was begun is done


def _new(number):
    job_id = f"{number:032x}"
    return NewJob(job_id, None, "a.jpg", "JPEG", 1, 1, 1, f"{job_id}.jpg", {})
