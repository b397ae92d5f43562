"""Files to disk: whole or not at all."""

import contextlib
import errno
import os
import secrets
from pathlib import Path

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
