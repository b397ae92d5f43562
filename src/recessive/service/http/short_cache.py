"""Answers of the database that hold for a moment: a busy server need not ask the same question again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

HOLDS = 0.25  # seconds
_MOST = 1_000

Answer = TypeVar("Answer")


class ShortCache(Generic[Answer]):
    """Answers that are at most `HOLDS` seconds old. Concurrent requests for the same answer share one call.

    Exceptions are not kept.
    """

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, asyncio.Future[Answer]]] = {}

    async def get(self, key: Hashable, call: Callable[[], Answer]) -> Answer:
        """The answer.

        Args:
            key: identifies the question.
            call: gets the answer, in a thread, if none is kept. Its exceptions are raised.
        """
        known = self._answers.get(key)
        if known is None or time.monotonic() - known[0] >= HOLDS:
            known = self._call(key, call)
        return await asyncio.shield(known[1])  # others may wait for it when this request is gone

    def forget(self, key: Hashable) -> None:
        """Have the answer fetched again next time."""
        self._answers.pop(key, None)

    def _call(self, key: Hashable, call: Callable[[], Answer]) -> tuple[float, asyncio.Future[Answer]]:
        entry = time.monotonic(), asyncio.ensure_future(run_in_threadpool(call))
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[key] = entry

        def on_answer(answer: asyncio.Future[Answer]) -> None:
            if (answer.cancelled() or answer.exception()) and self._answers.get(key) is entry:
                self.forget(key)

        entry[1].add_done_callback(on_answer)
        return entry
