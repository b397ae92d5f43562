"""What has to be done from time to time, by whoever is there: server and workers alike."""

from __future__ import annotations

import logging
import random
import time

from recessive.service.store.jobs import Jobs
from recessive.service.store.storage import Storage
from recessive.service.work.background import Background

SWEEP_EVERY = 60.0  # seconds
_log = logging.getLogger(__name__)


class Housekeeping(Background):
    """Puts back the jobs of dead workers, ends what has expired, and removes files that no job needs.

    Any number of processes may run one: each of the three is done once, whoever comes first.

    Args:
        jobs: of the service.
        storage: its folder, opened.
        every: seconds between looks for lost jobs; a third of their lease.
    """

    def __init__(self, jobs: Jobs, storage: Storage, *, every: float = 10.0) -> None:
        super().__init__("housekeeping")
        self._jobs, self._storage, self._every = jobs, storage, every

    def _run(self) -> None:
        swept = -SWEEP_EVERY
        while True:
            try:
                self._jobs.requeue_lost()
                if time.monotonic() - swept >= SWEEP_EVERY:
                    self._sweep()
                    swept = time.monotonic()
            except Exception as error:  # noqa: BLE001 - a database that is away, a full disk: the next round has to come
                _log.warning("housekeeping: %s", type(error).__name__)
            # Not all processes at the same moments.
            if self._stop.wait(self._every * random.uniform(0.8, 1.2)):  # noqa: S311 - nothing secret
                return

    def _sweep(self) -> None:
        for job in self._jobs.expire():
            self._storage.remove(job)
        self._storage.sweep(self._jobs)
