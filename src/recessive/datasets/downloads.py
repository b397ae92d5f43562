"""Download of data sets that everybody may download."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from recessive.datasets.photos import DataError
from recessive.files import file_digest

Progress = Callable[[int, int], None]
"""Called with (bytes received, bytes in total); the total is 0 if the server does not state it."""

_CHUNK = 1 << 20
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Download:
    """A file to download.

    Attributes:
        url: its address.
        place: where to save it, relative to the folder of the data sets.
        sha256: the SHA-256 of its content, in hexadecimal.
    """

    url: str
    place: str
    sha256: str


def fetch(download: Download, root: Path, progress: Progress | None = None) -> None:
    """Download a file unless it exists; it gets its name only when it is complete and has the expected digest.

    Raises:
        DataError: if it cannot be downloaded or written, or is not the expected file; nothing is left behind.
    """
    target = root / download.place
    if target.exists():
        return
    done, temporary = 0, target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(download.url, timeout=_TIMEOUT) as answer, temporary.open("xb") as file:  # noqa: S310 - our addresses
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
        found = file_digest(temporary).hex()
        if found != download.sha256:
            raise DataError(
                f"{download.url}: the downloaded file is not the expected one (sha256 {found}, not "
                f"{download.sha256}); download it in another way and save it as {target}"
            )
        temporary.replace(target)
    except (OSError, HTTPException) as error:  # URLError is an OSError
        if isinstance(error, HTTPError):
            error.close()  # it holds the connection
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise DataError(
            f"{download.url} cannot be downloaded ({reason}); download it in another way and save it as {target}"
        ) from error
    finally:
        with suppress(OSError):  # renamed already, or never created
            temporary.unlink()
