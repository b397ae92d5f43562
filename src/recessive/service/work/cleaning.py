"""The thread that cleans the queue and the folder, in servers and workers alike."""

from __future__ import annotations

import logging
import random
import time

from recessive.service.store.cleaning import Cleaner
from recessive.service.store.storage import Storage
from recessive.service.work.background import BackgroundThread

SWEEP_EVERY = 60.0  # seconds
_log = logging.getLogger(__name__)


class CleaningRunner(BackgroundThread):
    """Requeues the jobs of lost workers, and removes expired jobs and files that no job needs.

    Args:
        cleaner: the cleaner of the queue.
        storage: the folder of the service, opened.
        every: seconds between searches for lost jobs; a third of their lease.
    """

    def __init__(self, cleaner: Cleaner, storage: Storage, *, every: float = 10.0) -> None:
        super().__init__("cleaning")
        self._cleaner, self._storage, self._every = cleaner, storage, every

    def _run(self) -> None:
        swept = -SWEEP_EVERY
        while True:
            try:
                self._cleaner.requeue_lost()
                if time.monotonic() - swept >= SWEEP_EVERY:
                    for job in self._cleaner.expire():
                        self._storage.remove(job)
                    self._cleaner.sweep(self._storage)
                    swept = time.monotonic()
            except Exception as error:  # noqa: BLE001 - database unavailable, disk full: the next round must come
                _log.warning("cleaning: %s", type(error).__name__)
            # Not all processes at the same moments.
            if self._stop.wait(self._every * random.uniform(0.8, 1.2)):  # noqa: S311 - nothing secret
                return
