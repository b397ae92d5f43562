"""Photos to disk: whole or not at all, and never over a file that is in the way."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

from torch import Tensor

from recessive.photos.encode import encode_photo
from recessive.photos.errors import PhotoError
from recessive.photos.formats import format_named, format_of_path
from recessive.photos.photo import Photo

_NO_HARD_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL}


def save_photo(
    photo: Photo,
    pixels: Tensor,
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
    keep_location: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes ``pixels`` with the photo's transparency, profile and camera data to a file.

    The file appears under its name only when it is complete and on the disk; until then it is a hidden
    ``.tmp`` file in the same folder, removed on any failure.

    Args:
        photo: the photo as read.
        pixels: float ``(3, H, W)`` in [0, 1], the size of ``photo.pixels``.
        path: where to.
        format: a format's name or suffix; when None the one that ``path`` is named for, else the photo's own.
        quality: as for `output_settings`.
        keep_location: keep the GPS data as well.
        overwrite: replace an existing file.

    Returns:
        ``path``.

    Raises:
        PhotoError: the file exists, cannot be written, is named for another format than ``format``, or the
            format cannot hold this photo.
        ValueError: as `encode_photo`.
    """
    path = Path(path)
    named = format_of_path(path)
    chosen = named or photo.format if format is None else format_named(format)
    if named not in (None, chosen):
        raise PhotoError(path, f"is named as {named} but would be written as {chosen}; change one of them")
    if not overwrite and os.path.lexists(path):
        raise _exists(path)  # before the work; what counts is the check in `_publish`
    data = encode_photo(photo, pixels, format=chosen, quality=quality, keep_location=keep_location)
    try:
        _write_whole(path, data, overwrite=overwrite)
    except FileExistsError:
        raise _exists(path) from None
    except FileNotFoundError:
        raise PhotoError(path, "cannot be written: its folder does not exist") from None
    except OSError as error:
        raise PhotoError(path, f"cannot be written: {error.strerror or error}") from error
    return path


def _exists(path: Path) -> PhotoError:
    return PhotoError(path, "exists already; choose another name or ask to overwrite")


def _write_whole(path: Path, data: bytes, *, overwrite: bool) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    # Not `tempfile`: its files are private to the user, the photo is to have the usual permissions.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, not a path)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path) -> None:
    """Gives a finished file its name unless that is taken, as one step.

    Raises:
        FileExistsError: the name is taken, however lately.
    """
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
    else:
        return
    # File systems without hard links (FAT, some network drives): take the name first, then fill it.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
