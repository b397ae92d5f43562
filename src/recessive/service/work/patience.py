"""Calls to a database that may be away for a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from recessive.service.store.database import DatabaseError

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def patiently(call: Callable[[], _T], stop: threading.Event) -> _T:
    """What `call` returns, once the database can be used.

    Args:
        call: one that may be made again after it failed, whether or not it came through.
        stop: ends the waiting.

    Raises:
        DatabaseError: `stop` was set before the database came back.
    """
    wait = FIRST_WAIT
    while True:
        try:
            return call()
        except DatabaseError as error:
            _log.warning("%s; waiting", error)
            if stop.wait(wait):
                raise
            wait = min(2 * wait, LONGEST_WAIT)
