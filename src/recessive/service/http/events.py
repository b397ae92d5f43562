"""Server-sent events: what becomes of jobs, told to whoever listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace

from starlette.concurrency import run_in_threadpool

from recessive.service.store.job import DeliveryState, Job, JobState
from recessive.service.store.jobs import Jobs

POLL_EVERY = 0.25  # s
KEEP_ALIVE = 15.0  # s without an event after which proxies and clients are told that the connection lives
_log = logging.getLogger(__name__)


class _Listener:
    """Who listens to one job: what is known of it, None once it is deleted, and whether that is news."""

    def __init__(self, job: Job) -> None:
        self.job: Job | None = job
        self.news = asyncio.Event()


class Watcher:
    """Tells any number of listeners of changes of their jobs, with one query for all of them at a time.

    All methods belong to one event loop. The database is asked only while somebody listens.

    Args:
        jobs: of the service.
        every: seconds between two questions to the database.
    """

    def __init__(self, jobs: Jobs, *, every: float = POLL_EVERY) -> None:
        self._jobs, self._every = jobs, every
        self._listeners: dict[str, set[_Listener]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._closed = False

    def close(self) -> None:
        """End all streams, now and henceforth: a server that stops waits for them."""
        self._closed = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.news.set()

    async def follow(self, job: Job) -> AsyncGenerator[Job | None]:
        """The job as it is, and again after each change, until it is final, deleted, or the service stops.

        Args:
            job: as it was just now.

        Yields:
            The job; None when nothing has happened for `KEEP_ALIVE` seconds.
        """
        job = replace(job, insight=None)  # as `Jobs.watch` has it
        listener = _Listener(job)
        self._listeners.setdefault(job.id, set()).add(listener)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            yield job
            while not (is_final(job) or self._closed):
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        await listener.news.wait()
                except TimeoutError:
                    yield None
                    continue
                listener.news.clear()
                if listener.job is None:
                    return
                if listener.job is not job:
                    job = listener.job
                    yield job
        finally:
            self._leave(job.id, listener)

    def _leave(self, id_: str, listener: _Listener) -> None:
        self._listeners[id_].discard(listener)
        if not self._listeners[id_]:
            del self._listeners[id_]
        if not self._listeners and self._asking is not None:
            self._asking.cancel()
            self._asking = None

    async def _ask(self) -> None:
        while True:
            asked = {id_: tuple(listeners) for id_, listeners in self._listeners.items()}
            try:
                found = {job.id: job for job in await run_in_threadpool(self._jobs.watch, list(asked))}
            except Exception as error:  # noqa: BLE001 - a database that is away comes back; listeners wait for that
                _log.warning("watching jobs: %s", type(error).__name__)
            else:
                for id_, listeners in asked.items():
                    for listener in listeners:
                        if listener.job != found.get(id_):
                            listener.job = found.get(id_)
                            listener.news.set()
            await asyncio.sleep(self._every)


def is_final(job: Job) -> bool:
    """Whether nothing will change about a job any more."""
    if job.state in (JobState.WAITING, JobState.RUNNING):
        return False
    return job.delivery != DeliveryState.WAITING


def event(text: str | None) -> bytes:
    """One event on the wire; a comment when there is none."""
    return b": still here\n\n" if text is None else f"event: job\ndata: {text}\n\n".encode()
