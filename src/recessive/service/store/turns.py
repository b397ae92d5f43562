"""A lock that is given in order, for those who write to a file of SQLite.

SQLite has its own lock, but whoever does not get it sleeps and tries again: while some write all the time, others come
too late for seconds.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from contextlib import suppress
from typing import Self

if sys.platform != "win32":
    import fcntl

from pathlib import Path


class Turns:
    """A lock that threads get in the order in which they asked for it, and processes about so; used by ``with``.

    Where processes cannot lock a file, threads alone are put in order.

    Args:
        path: of an empty file, made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._inside = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def __enter__(self) -> Self:
        self._wait()
        try:
            self._file = _locked(self._path)
        except BaseException:  # Ctrl-C while waiting
            self._pass_on()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)  # which unlocks it
        self._pass_on()

    def _wait(self) -> None:
        """Among threads."""
        with self._inside:
            if not self._taken:
                self._taken = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        try:
            gate.acquire()
        except BaseException:  # Ctrl-C while waiting
            with self._inside:
                given = gate not in self._waiting
                if not given:
                    self._waiting.remove(gate)
            if given:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        with self._inside:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


def _locked(path: Path) -> int | None:
    """The file, open and locked; None where that cannot be."""
    if sys.platform == "win32":
        return None
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # SQLite will say what is wrong with the folder
        return None
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
    except BaseException:
        os.close(file)
        raise
    return file
