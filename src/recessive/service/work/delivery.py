"""Delivery of protected photos to their targets: at least once, with repetitions marked as the same delivery."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import random
import re
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2

from recessive import __version__
from recessive.backoff import backoff
from recessive.errors import MachineError
from recessive.exposure import EncoderAudit
from recessive.files import write_whole
from recessive.photos import MEDIA_TYPES, format_of_path
from recessive.reports.protect_report import may_be_released
from recessive.service.names import attachment, clean_name, saved_name
from recessive.service.store.deliveries import Deliveries
from recessive.service.store.job import Claim, DeliveryState, Job
from recessive.service.store.storage import Storage
from recessive.service.work.background import BackgroundThread, retry_until_available
from recessive.service.work.targets import TargetError, check_target

MOST_ATTEMPTS = 12
LONGEST_WAIT = 3_600.0  # seconds
LONGEST_RETRY_AFTER = 86_400.0  # seconds that a target can make us wait: results are kept until they are delivered
_TRY_AGAIN = {408, 425, 429}
_LONGEST_STEM = 150  # bytes: any file system has room for a job's id and a suffix beside it
_LONGEST_VERDICT = 1_000
_log = logging.getLogger(__name__)


class DeliveryError(MachineError):
    """A photo was not delivered. The message is for its owner.

    Attributes:
        permanent: whether another attempt would be useless.
        retry_after: seconds that the target asks to wait; None if it does not say.
    """

    def __init__(self, problem: str, *, permanent: bool, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.permanent = permanent
        self.retry_after = retry_after


def delivery_of(job: Job, report: dict[str, Any]) -> tuple[DeliveryState | None, str | None]:
    """Whether a photo with this `ProtectReport`, as JSON, is to be delivered, and why not if it is held."""
    if job.deliver_to is None:
        return None, None
    found = [EncoderAudit(**entry) for entry in report["per_encoder"]]
    if may_be_released(found, job.options.get("passes", "seen")):
        return DeliveryState.WAITING, None
    return DeliveryState.HELD, f"not delivered, since it does not pass the audit. {report['verdict']}"


class DeliveryRunner(BackgroundThread):
    """Delivers photos that are due, one at a time, beside the work on photos: a slow target delays no photo.

    Args:
        deliveries: the deliveries of the service.
        storage: the folder of the service.
        worker: the name of the worker that the thread belongs to.
        allowed: the allow-list of targets.
        idle: seconds between checks while no delivery is due.
    """

    def __init__(
        self, deliveries: Deliveries, storage: Storage, worker: str, allowed: Sequence[str], *, idle: float = 1.0
    ) -> None:
        super().__init__("delivery")
        self._deliveries, self._storage, self._worker = deliveries, storage, worker
        self._allowed, self._idle = allowed, idle

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                claim = retry_until_available(lambda: self._deliveries.claim(self._worker), self._stop)
                if claim is not None:
                    self._deliver(claim)
                    continue
            except Exception as error:  # noqa: BLE001 - this delivery is due again once its claim is lost
                _log.error("delivery: %s", type(error).__name__)
            self._stop.wait(self._idle)

    def _deliver(self, claim: Claim) -> None:
        job = claim.job
        try:
            deliver(job, self._storage.results / (job.result or ""), allowed=self._allowed)
        except DeliveryError as error:
            problem, wait = error.problem, retry_in(job.delivery_attempts, error)
            retry_until_available(lambda: self._deliveries.failed(claim, problem, wait), self._stop)
            _log.info("job %s not delivered, %s", job.id, "given up" if wait is None else f"again in {wait:.0f} s")
        else:
            retry_until_available(lambda: self._deliveries.delivered(claim), self._stop)
            _log.info("job %s delivered", job.id)


def retry_in(attempts: int, error: DeliveryError) -> float | None:
    """Seconds until the next attempt, after so many attempts and the last error; None if there is to be none.

    2, 4, 8, ... s up to an hour, plus up to a quarter so that deliveries do not all return at once; longer if the
    target asks for it.
    """
    if error.permanent or attempts >= MOST_ATTEMPTS:
        return None
    wait = max(backoff(attempts, 1.0, LONGEST_WAIT), min(error.retry_after or 0.0, LONGEST_RETRY_AFTER))
    return wait * random.uniform(1.0, 1.25)  # noqa: S311 - nothing secret


def deliver(job: Job, photo: Path, *, allowed: Sequence[str], timeout: float = 30) -> None:
    """Deliver a protected photo. Repeating the call repeats the same delivery.

    A URL gets one POST of the file, without redirects, proxies and cookies. `Content-Digest` (RFC 9530) protects the
    content, `Idempotency-Key` identifies the job, `Recessive-Verdict` says what searches find. Only the status and
    `Retry-After` of the answer are used; its body is not read. A folder gets the file `<stem>-<job id><suffix>`, whole
    or not at all.

    Args:
        job: a job that is done, with `deliver_to` and its report.
        photo: the path of the protected photo.
        allowed: the allow-list, see `check_target`; it may have changed since the job was accepted.
        timeout: seconds for the whole exchange, including connecting and sending.

    Raises:
        DeliveryError: if the photo was not delivered; it may have arrived all the same if the answer was lost.
    """
    try:
        target = check_target(job.deliver_to or "", allowed)
        data = photo.read_bytes()
    except TargetError as error:
        raise DeliveryError(error.problem, permanent=True) from error
    except FileNotFoundError as error:
        raise DeliveryError("the photo no longer exists", permanent=True) from error
    except OSError as error:
        raise DeliveryError("the service cannot read the photo at the moment", permanent=False) from error
    format_ = format_of_path(photo)
    if format_ is None:
        raise DeliveryError("the file is not a photo", permanent=True)
    name = saved_name(clean_name(job.name), format_)
    if "://" not in target:
        _write(Path(target), name, job.id, data)
        return
    verdict = (job.report or {}).get("verdict", "").encode("ascii", "replace").decode("ascii")
    headers = {
        "Content-Type": MEDIA_TYPES[format_],
        "Content-Disposition": attachment(name),
        "Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode('ascii')}:",
        "Idempotency-Key": job.id,
        "Recessive-Verdict": " ".join(verdict.split())[:_LONGEST_VERDICT],
        "User-Agent": f"recessive/{__version__}",
        "Accept-Encoding": "identity",
    }
    try:
        status, retry_after = asyncio.run(_post(target, headers, data, timeout))
    except (TimeoutError, httpx2.TimeoutException) as error:
        raise DeliveryError(f"the target did not answer within {timeout:g} s", permanent=False) from error
    except httpx2.ConnectError as error:
        raise DeliveryError(
            "no connection to the target, or its certificate is not trusted", permanent=False
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DeliveryError(f"the connection to the target broke ({type(error).__name__})", permanent=False) from error
    if 300 <= status < 400:
        raise DeliveryError(f"the target answered {status}; redirects are not followed", permanent=True)
    if not 200 <= status < 300:
        permanent = 400 <= status < 500 and status not in _TRY_AGAIN
        raise DeliveryError(f"the target answered {status}", permanent=permanent, retry_after=_seconds(retry_after))


async def _post(target: str, headers: dict[str, str], data: bytes, timeout: float) -> tuple[int, str | None]:
    """Status and Retry-After. Asynchronous for one limit on everything: httpx2's own restart with each byte."""
    async with (
        asyncio.timeout(timeout),
        # An explicit context, since otherwise not even certificates named by SSL_CERT_FILE would be trusted.
        httpx2.AsyncClient(trust_env=False, verify=httpx2.create_ssl_context(), timeout=timeout) as client,
        client.stream("POST", target, headers=headers, content=data, follow_redirects=False) as response,
    ):
        return response.status_code, response.headers.get("Retry-After")


def _seconds(retry_after: str | None) -> float | None:
    """The waiting time of a Retry-After header, which is a number of seconds or a date."""
    if retry_after is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _write(folder: Path, name: str, job_id: str, data: bytes) -> None:
    if not folder.is_dir():
        raise DeliveryError("the target folder does not exist", permanent=False)
    stem, _, suffix = name.rpartition(".")
    short = stem.encode("utf-8")[:_LONGEST_STEM].decode("utf-8", "ignore")
    try:
        write_whole(folder / f"{short}-{job_id}.{suffix}", data)
    except OSError as error:
        raise DeliveryError(f"the target folder cannot be written to ({error.strerror})", permanent=False) from error
