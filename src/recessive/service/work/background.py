"""Threads beside the main work, and database calls that outlast an outage."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self, TypeVar

from recessive.backoff import Backoff
from recessive.service.store.database import DatabaseError

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class BackgroundThread(ABC):
    """A thread that runs until the ``with`` block ends, which waits for it.

    Args:
        name: the name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stop` is set."""


def retry_until_available(call: Callable[[], _T], stop: threading.Event) -> _T:
    """Make a call to the database, again and again while the database is unavailable.

    Args:
        call: a call that may be repeated whether or not a failed one took effect.
        stop: ends the waiting.

    Raises:
        DatabaseError: if `stop` is set while the database is unavailable.
    """
    waits = Backoff(FIRST_WAIT, LONGEST_WAIT)
    while True:
        try:
            return call()
        except DatabaseError as error:
            _log.warning("%s; waiting", error)
            if stop.wait(waits.wait()):
                raise
