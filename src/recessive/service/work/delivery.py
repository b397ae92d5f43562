"""A protected photo to where its owner wants it, once: what arrives a second time is marked as the same."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2

from recessive import __version__
from recessive.exposure import EncoderAudit
from recessive.files import write_whole
from recessive.photos import MEDIA_TYPES, format_of_path
from recessive.reports.protect_report import may_be_released
from recessive.service.names import attachment, clean_name, saved_name
from recessive.service.store.job import DeliveryState, Job
from recessive.service.work.targets import TargetError, check_target

_TRY_AGAIN = {408, 425, 429}
_LONGEST_STEM = 150  # bytes: a job's id and a suffix have room beside it in any file system
_LONGEST_VERDICT = 1_000


class DeliveryError(Exception):
    """A photo was not delivered; the message is one line for its owner.

    Attributes:
        permanent: whether trying again is of no use.
        retry_after: seconds that the target wants to be left alone; None when it did not say.
    """

    def __init__(self, message: str, *, permanent: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


def delivery_of(job: Job, report: dict[str, Any]) -> tuple[DeliveryState | None, str | None]:
    """Whether a photo that has just been protected is to be delivered, and if it is held, why.

    Args:
        job: says where to, and under which condition (`passes` of its options).
        report: the `ProtectReport` as JSON.
    """
    if job.deliver_to is None:
        return None, None
    found = [EncoderAudit(**entry) for entry in report["per_encoder"]]
    if may_be_released(found, job.options.get("passes", "seen")):
        return DeliveryState.WAITING, None
    return DeliveryState.HELD, f"not delivered, since it does not pass the audit. {report['verdict']}"


def deliver(job: Job, photo: Path, *, allowed: Sequence[str], timeout: float = 30) -> None:
    """Deliver a protected photo; done again, it is the same delivery.

    To a URL by one POST of the file, never redirected, without proxies and cookies: `Content-Digest` (RFC 9530) says
    what it must be, `Idempotency-Key` that it is the same job again, `Recessive-Verdict` what searches find. Of the
    answer nothing but status and `Retry-After` matter, and its body is not read. To a folder as
    `<stem>-<job id><suffix>`, whole or not at all.

    Args:
        job: done, with `deliver_to` and its report.
        photo: the file.
        allowed: the allow-list, see `check_target`; it may have changed since the job was accepted.
        timeout: seconds for all of it, connecting and sending included.

    Raises:
        DeliveryError: it may have arrived nevertheless, if the answer got lost.
    """
    try:
        target = check_target(job.deliver_to or "", allowed)
    except TargetError as error:
        raise DeliveryError(str(error), permanent=True) from error
    try:
        data = photo.read_bytes()
    except FileNotFoundError as error:
        raise DeliveryError("the photo is not there any more", permanent=True) from error
    except OSError as error:
        raise DeliveryError("the service cannot read the photo just now", permanent=False) from error
    format_ = format_of_path(photo)
    if format_ is None:
        raise DeliveryError("the photo is not one", permanent=True)
    name = saved_name(clean_name(job.name), format_)
    if "://" not in target:
        _write(Path(target), name, job.id, data)
        return
    headers = {
        "Content-Type": MEDIA_TYPES[format_],
        "Content-Disposition": attachment(name),
        "Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode('ascii')}:",
        "Idempotency-Key": job.id,
        "Recessive-Verdict": _ascii_line((job.report or {}).get("verdict", ""))[:_LONGEST_VERDICT],
        "User-Agent": f"recessive/{__version__}",
        "Accept-Encoding": "identity",
    }
    try:
        status, retry_after = asyncio.run(_post(target, headers, data, timeout))
    except (TimeoutError, httpx2.TimeoutException) as error:
        raise DeliveryError(f"the target did not answer within {timeout:g} s", permanent=False) from error
    except httpx2.ConnectError as error:
        why = "no connection to the target, or its certificate is not to be trusted"
        raise DeliveryError(why, permanent=False) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise DeliveryError(f"the connection to the target broke ({type(error).__name__})", permanent=False) from error
    _judge(status, retry_after)


async def _post(target: str, headers: dict[str, str], data: bytes, timeout: float) -> tuple[int, str | None]:
    """Status and Retry-After. Asynchronous for one limit on all of it: httpx2's own begin anew with each byte."""
    async with (
        asyncio.timeout(timeout),
        # Not even certificates named by SSL_CERT_FILE would be known without asking for them.
        httpx2.AsyncClient(trust_env=False, verify=httpx2.create_ssl_context(), timeout=timeout) as client,
        client.stream("POST", target, headers=headers, content=data, follow_redirects=False) as response,
    ):
        return response.status_code, response.headers.get("Retry-After")


def _judge(status: int, retry_after: str | None) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise DeliveryError(f"the target answered {status}; redirects are not followed", permanent=True)
    permanent = 400 <= status < 500 and status not in _TRY_AGAIN
    raise DeliveryError(f"the target answered {status}", permanent=permanent, retry_after=_seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header: seconds, or a date."""
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
        raise DeliveryError("the folder to deliver to is not there", permanent=False)
    stem, _, suffix = name.rpartition(".")
    short = stem.encode("utf-8")[:_LONGEST_STEM].decode("utf-8", "ignore")
    try:
        write_whole(folder / f"{short}-{job_id}.{suffix}", data)
    except OSError as error:
        raise DeliveryError(f"the folder cannot be written to ({error.strerror})", permanent=False) from error


def _ascii_line(text: str) -> str:
    return " ".join(text.encode("ascii", "replace").decode("ascii").split())
