"""Deliveries, beside the work on photos: a slow target keeps no photo waiting."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence

from recessive.service.store.job import Claim
from recessive.service.store.jobs import Jobs
from recessive.service.store.storage import Storage
from recessive.service.work.background import Background
from recessive.service.work.delivery import DeliveryError, deliver
from recessive.service.work.patience import patiently

MOST_ATTEMPTS = 12
LONGEST_WAIT = 3_600.0  # seconds
LONGEST_ASKED_FOR = 86_400.0  # that a target can have us wait: results are kept until they are delivered
_log = logging.getLogger(__name__)


class Courier(Background):
    """Delivers what is due, one photo at a time.

    Args:
        jobs: of the service.
        storage: its folder.
        worker: whose thread it is.
        allowed: allow-list of targets.
        idle: seconds between looks when nothing is due.
    """

    def __init__(self, jobs: Jobs, storage: Storage, worker: str, allowed: Sequence[str], *, idle: float = 1.0) -> None:
        super().__init__("courier")
        self._jobs, self._storage, self._worker, self._allowed, self._idle = jobs, storage, worker, allowed, idle

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                claim = patiently(lambda: self._jobs.claim_delivery(self._worker), self._stop)
                if claim is not None:
                    self._carry(claim)
                    continue
            except Exception as error:  # noqa: BLE001 - this delivery is tried again once its claim has run out
                _log.error("courier: %s", type(error).__name__)
            self._stop.wait(self._idle)

    def _carry(self, claim: Claim) -> None:
        job = claim.job
        try:
            deliver(job, self._storage.results / (job.result or ""), allowed=self._allowed)
        except DeliveryError as error:
            failure = error
            wait = retry_in(job.delivery_attempts, failure)
            patiently(lambda: self._jobs.delivery_failed(claim, str(failure), wait), self._stop)
            _log.info("job %s not delivered, %s", job.id, "given up" if wait is None else f"again in {wait:.0f} s")
        else:
            patiently(lambda: self._jobs.delivered(claim), self._stop)
            _log.info("job %s delivered", job.id)


def retry_in(attempts: int, error: DeliveryError) -> float | None:
    """Seconds until the next attempt; None when there shall be none.

    2, 4, 8, ... s up to an hour, and up to a quarter more so that not all come back at once; later when the target
    asked for that.

    Args:
        attempts: that were made.
        error: of the last.
    """
    if error.permanent or attempts >= MOST_ATTEMPTS:
        return None
    wait = min(2.0**attempts, LONGEST_WAIT)
    asked = min(error.retry_after or 0.0, LONGEST_ASKED_FOR)
    return max(wait, asked) * random.uniform(1.0, 1.25)  # noqa: S311 - nothing secret
