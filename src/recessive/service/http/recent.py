"""Answers of the database that hold for a moment: a busy server need not ask the same over and over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

HOLDS = 0.25  # s
_MOST = 1_000

Answer = TypeVar("Answer")


class Recent(Generic[Answer]):
    """Answers that are at most `HOLDS` old. Refusals, which are raised, are not among them."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, Answer]] = {}

    async def get(self, about: Hashable, ask: Callable[[], Answer]) -> Answer:
        """The answer.

        Args:
            about: names the question.
            ask: gets the answer, in a thread, when there is none that still holds. What it raises is raised.
        """
        known = self._answers.get(about)
        if known is not None and time.monotonic() - known[0] < HOLDS:
            return known[1]
        asked = time.monotonic()
        answer = await run_in_threadpool(ask)
        if len(self._answers) >= _MOST:
            self._answers.clear()
        self._answers[about] = (asked, answer)
        return answer

    def forget(self, about: Hashable) -> None:
        """Have it asked next time."""
        self._answers.pop(about, None)
