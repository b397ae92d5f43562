"""Server-sent events: the changes of jobs, for everybody who follows them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace

from starlette.concurrency import run_in_threadpool

from recessive.service.store.job import ACTIVE, DeliveryState, Job
from recessive.service.store.reading import JobReader

POLL_EVERY = 0.25  # seconds
KEEP_ALIVE = 15.0  # seconds without an event after which proxies and clients are shown that the connection lives
_log = logging.getLogger(__name__)


class _Follower:
    """One who follows a job: its last known state, None once it is deleted, and whether that is new."""

    def __init__(self, job: Job) -> None:
        self.job: Job | None = job
        self.changed = asyncio.Event()


class Watcher:
    """Tells any number of followers of changes of their jobs, with one query at a time for all of them.

    All methods belong to one event loop. The database is queried only while somebody follows a job.

    Args:
        reader: reads the jobs.
        every: seconds between two queries.
    """

    def __init__(self, reader: JobReader, *, every: float = POLL_EVERY) -> None:
        self._reader, self._every = reader, every
        self._followers: dict[str, set[_Follower]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._closed = False

    def close(self) -> None:
        """End all streams, present and future: a server that stops waits for them."""
        self._closed = True
        for followers in self._followers.values():
            for follower in followers:
                follower.changed.set()

    async def follow(self, job: Job) -> AsyncGenerator[Job | None]:
        """A job as it was just now, and again after each change, until it is final or deleted, or the service stops.

        None is yielded in between if nothing has happened for `KEEP_ALIVE` seconds.
        """
        job = replace(job, insight=None)  # as `JobReader.watch` returns it
        follower = _Follower(job)
        self._followers.setdefault(job.id, set()).add(follower)
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll())
        try:
            yield job
            while not (is_final(job) or self._closed):
                try:
                    async with asyncio.timeout(KEEP_ALIVE):
                        await follower.changed.wait()
                except TimeoutError:
                    yield None
                    continue
                follower.changed.clear()
                if follower.job is None:
                    return
                if follower.job is not job:
                    job = follower.job
                    yield job
        finally:
            self._leave(job.id, follower)

    def _leave(self, job_id: str, follower: _Follower) -> None:
        self._followers[job_id].discard(follower)
        if not self._followers[job_id]:
            del self._followers[job_id]
        if not self._followers and self._polling is not None:
            self._polling.cancel()
            self._polling = None

    async def _poll(self) -> None:
        while True:
            followed = {job_id: tuple(followers) for job_id, followers in self._followers.items()}
            try:
                found = {job.id: job for job in await run_in_threadpool(self._reader.watch, list(followed))}
            except Exception as error:  # noqa: BLE001 - followers wait until the database is available again
                _log.warning("watching jobs: %s", type(error).__name__)
            else:
                for job_id, followers in followed.items():
                    for follower in followers:
                        if follower.job != found.get(job_id):
                            follower.job = found.get(job_id)
                            follower.changed.set()
            await asyncio.sleep(self._every)


def is_final(job: Job) -> bool:
    """Whether the job and its delivery will not change any more."""
    return job.state not in ACTIVE and job.delivery != DeliveryState.WAITING


def event(text: str | None) -> bytes:
    """An event as it is sent; a comment if there is no text."""
    return b": still here\n\n" if text is None else f"event: job\ndata: {text}\n\n".encode()
