"""Answers of the database that hold for a moment: a busy server need not ask the same over and over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

HOLDS = 0.25  # s
_MOST = 1_000

Answer = TypeVar("Answer")


class Recent(Generic[Answer]):
    """Answers to questions that are at most `HOLDS` old. Those who ask meanwhile wait for the same answer.

    Refusals, which are raised, do not hold.
    """

    def __init__(self) -> None:
        self._asked: dict[Hashable, tuple[float, asyncio.Future[Answer]]] = {}

    async def get(self, about: Hashable, ask: Callable[[], Answer]) -> Answer:
        """The answer.

        Args:
            about: names the question.
            ask: gets the answer, in a thread, when there is none that still holds. What it raises is raised.
        """
        known = self._asked.get(about)
        if known is None or time.monotonic() - known[0] >= HOLDS:
            known = self._ask(about, ask)
        return await asyncio.shield(known[1])  # others may wait for it when this request is gone

    def forget(self, about: Hashable) -> None:
        """Have it asked next time."""
        self._asked.pop(about, None)

    def _ask(self, about: Hashable, ask: Callable[[], Answer]) -> tuple[float, asyncio.Future[Answer]]:
        asked = time.monotonic(), asyncio.ensure_future(run_in_threadpool(ask))
        if len(self._asked) >= _MOST:
            self._asked.clear()
        self._asked[about] = asked

        def answered(answer: asyncio.Future[Answer]) -> None:
            if (answer.cancelled() or answer.exception()) and self._asked.get(about) is asked:
                self.forget(about)

        asked[1].add_done_callback(answered)
        return asked
