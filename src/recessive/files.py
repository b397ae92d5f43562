"""Files and folders: atomic writing, digests, locks between processes."""

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from recessive.errors import SettingsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LOCKED_ELSEWHERE = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_NO_HARD_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL}


def write_whole(path: Path, data: bytes | Iterable[bytes | memoryview], *, overwrite: bool = True) -> None:
    """Writes a file whole or not at all; its content is on the disk when this returns.

    Until then the data lie in a hidden ``.tmp`` file in the same folder, which is removed on any failure, and an
    existing file keeps its name.

    Args:
        path: path of the file; its folder must exist.
        data: the content, or its pieces in order.
        overwrite: whether to replace an existing file.

    Raises:
        FileExistsError: if the name is taken, even at the last moment, and is not to be replaced.
        OSError: if the file cannot be written; names ``path``.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        # Not `tempfile`, whose files are private to the user: this one gets the usual permissions.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor, not a path)
                file.writelines((data,) if isinstance(data, bytes) else data)
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
    """Gives a finished file its name in one step.

    Raises:
        FileExistsError: if the name is taken.
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
    """Flushes the names in a folder to the disk, so that they survive a power failure, if the system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Creates the folder of an option ``--out`` if it is missing.

    Raises:
        SettingsError: if it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be created: {error.strerror}; choose another --out") from None


def digest(*parts: bytes) -> str:
    """Returns the SHA-256 of byte strings, each preceded by its length in 8 bytes, so that their borders count."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def file_digest(path: Path) -> bytes:
    """Returns the SHA-256 of the content of a file; empty if it is not a file or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""


def lock_file(descriptor: int, *, wait: bool) -> bool:
    """Locks an open file for this process. The lock is released when the file is closed, however the process ends.

    Args:
        descriptor: the descriptor of a file that is open for writing.
        wait: whether to block until the lock is free.

    Returns:
        False if another process holds the lock and `wait` is False. True if the system or the drive has no locks.
    """
    if fcntl is None:
        return True  # type: ignore[unreachable]
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        return error.errno not in _LOCKED_ELSEWHERE
    return True
