"""From a photo that has arrived to its job. Jobs that come at the same time share a transaction, and its wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from recessive.photos import SUFFIXES
from recessive.service.http.problems import Problem
from recessive.service.http.uploads import PhotoFile
from recessive.service.settings import JobOptions
from recessive.service.store.job import Busy, Job, NewJob
from recessive.service.store.jobs import Jobs
from recessive.service.store.keys import Key
from recessive.service.store.storage import Storage

_MOST = 50  # jobs in one transaction: others wait for it


@dataclass(frozen=True)
class Asked:
    """What comes with a photo.

    Attributes:
        id: of the job to be.
        name: of the photo's file, cleaned.
        options: what is asked for.
        key: who asks.
        idempotency: see `NewJob`.
    """

    id: str
    name: str
    options: JobOptions
    key: Key | None
    idempotency: str | None


class Adder:
    """Makes jobs of photos. All methods belong to one event loop.

    Each request alone would wait for its turn to write and for the disk; with many, each waits for all before it.

    Args:
        jobs: of the service.
        storage: its folder.
    """

    def __init__(self, jobs: Jobs, storage: Storage) -> None:
        self._jobs, self._storage = jobs, storage
        self._waiting: list[tuple[NewJob, Key | None, asyncio.Future[tuple[Job, bool]]]] = []
        self._working: asyncio.Task[None] | None = None

    async def add(self, photo: PhotoFile, asked: Asked) -> Job:
        """Keep a photo, and make a job of it; a photo that becomes none goes again.

        Args:
            photo: complete.
            asked: what comes with it.

        Raises:
            Problem: the photo is none, or the `idempotency` was that of another request.
            Busy: there is no room.
            DatabaseError: the job may have been kept all the same. So the photo stays; it is swept if it has not.
            OSError: the photo cannot be kept.
        """
        new = await run_in_threadpool(_kept, photo, asked, self._storage.originals)
        try:
            job, added = await self._added(new, asked.key)
        except Busy:
            await run_in_threadpool(self._drop, new)
            raise
        if not added:
            await run_in_threadpool(self._drop, new)
            if _differs(job, new):
                raise Problem(
                    422,
                    "this Idempotency-Key came with another photo or other options before; give each request its own",
                    "idempotency-key-reused",
                    "Idempotency key used twice",
                )
        return job

    def _drop(self, new: NewJob) -> None:
        (self._storage.originals / new.original).unlink(missing_ok=True)

    async def _added(self, new: NewJob, key: Key | None) -> tuple[Job, bool]:
        outcome: asyncio.Future[tuple[Job, bool]] = asyncio.get_running_loop().create_future()
        self._waiting.append((new, key, outcome))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await outcome

    async def _work(self) -> None:
        """Add what waits, until nothing does."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            outcomes = await run_in_threadpool(self._outcomes, [(new, key) for new, key, _ in batch])
            for (_, _, future), outcome in zip(batch, outcomes, strict=True):
                if future.done():  # whoever asked is gone
                    continue
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
        self._working = None

    def _outcomes(self, batch: list[tuple[NewJob, Key | None]]) -> list[tuple[Job, bool] | Exception]:
        try:
            return list(self._jobs.add_all(batch))
        except Exception as error:  # noqa: BLE001 - each of them is told
            return [error] * len(batch)


def _kept(photo: PhotoFile, asked: Asked, folder: Path) -> NewJob:
    """What is to be added, once its photo is safe."""
    format_, width, height = photo.finish()
    new = NewJob(
        id=asked.id,
        owner=None if asked.key is None else asked.key.id,
        name=asked.name,
        format=format_,
        bytes=photo.bytes,
        width=width,
        height=height,
        original=asked.id + SUFFIXES[format_][0],
        options=asked.options.model_dump(mode="json"),
        deliver_to=asked.options.deliver_to,
        idempotency=asked.idempotency,
    )
    photo.keep(folder / new.original)
    return new


def _differs(job: Job, new: NewJob) -> bool:
    return any(getattr(job, name) != getattr(new, name) for name in ("format", "bytes", "width", "height", "options"))
