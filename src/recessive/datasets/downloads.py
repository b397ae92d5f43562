"""Fetching the files of data sets that may be fetched without asking anybody."""

import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from recessive.datasets.errors import DataError

Progress = Callable[[int, int], None]
"""Called with the bytes that have come and the bytes to come in all; 0 when the server does not say."""

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Download:
    """A file to fetch.

    Attributes:
        url: where from.
        place: where to, below the folder of the data sets.
        sha256: of its content, in hexadecimal.
    """

    url: str
    place: str
    sha256: str


def fetch(download: Download, root: Path, progress: Progress | None = None) -> None:
    """Fetches a file unless it is there; it appears under its name only when it is whole and right.

    Raises:
        DataError: it cannot be fetched or written, or is not the file expected; nothing is left behind.
    """
    target = root / download.place
    if target.exists():
        return
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        found = _stream(download.url, temporary, progress)
        if found != download.sha256:
            raise DataError(
                f"{download.url}: what came is not the file expected (sha256 {found}, not {download.sha256}); "
                f"fetch it by other means and put it at {target}"
            )
        temporary.replace(target)
    except (OSError, HTTPException) as error:  # URLError is an OSError
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise DataError(
            f"{download.url} cannot be downloaded ({reason}); fetch it by other means and put it at {target}"
        ) from error
    finally:
        with suppress(OSError):  # gone already, or never made
            temporary.unlink()


def _stream(url: str, path: Path, progress: Progress | None) -> str:
    digest, done = hashlib.sha256(), 0
    with urlopen(url, timeout=_TIMEOUT) as answer, path.open("xb") as file:  # noqa: S310 - our own addresses
        total = int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()
