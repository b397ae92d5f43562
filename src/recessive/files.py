"""Files and folders: atomic writing, digests, locks between processes."""

import contextlib
import errno
import hashlib
import os
import secrets
from pathlib import Path

from recessive.errors import SettingsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOCKED_ELSEWHERE = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL}


def write_whole(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Gives a file its content, whole or not at all; it is on the disk when this returns.

    Until then the data lie in a hidden ``.tmp`` file in the same folder, removed on any failure, and what had
    the name before keeps it.

    Args:
        path: of the file; its folder exists.
        data: what it is to hold.
        overwrite: replace what has that name.

    Raises:
        FileExistsError: the name is taken, however lately, and is not to be replaced.
        OSError: the file cannot be written; names ``path``.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        # Not `tempfile`: its files are private to the user, these are to have the usual permissions.
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
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # not the temporary name


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


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, so that they survive a power failure, where the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create the folder for what will be saved, if it is missing.

    Raises:
        SettingsError: it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be created: {error.strerror}; choose another --out") from None


def digest(*parts: bytes) -> str:
    """SHA-256 of several byte strings, each preceded by its length in 8 bytes, so that their borders count."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def file_digest(path: Path) -> bytes:
    """SHA-256 of the content of a file; empty for what is no file or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""


def lock_file(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file for this process; closing the file, however the process ends, releases it.

    Args:
        descriptor: of a file that is open for writing.
        wait: block until the lock is free.

    Returns:
        False when another process holds the lock and `wait` is False. True where the system or the drive has no locks.
    """
    if fcntl is None:
        return True  # type: ignore[unreachable]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        return error.errno not in _LOCKED_ELSEWHERE
    return True
