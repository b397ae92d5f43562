"""Errors: what went wrong, in one sentence, and whose fault it is.

    RecessiveError                 the base of all errors whose message is meant to be read by a person
    ├── PhotoError                 kind "photo": one photo cannot be read, changed or written
    ├── SettingsError              kind "request": the options do not fit together, or name something unknown
    ├── MachineError               kind "machine": a disk, memory or a network is in trouble
    └── EncoderError, DataError, TrainingError, MethodError, IndexFileError, ...
                                   kind "request", each defined in the package that raises it

The kind decides what happens next. A photo or a request at fault ends the work on that photo with the sentence as the
reason. A machine in trouble ends nothing: the work waits and is done again.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["photo", "request", "machine"]

MACHINE_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""Operating system errors that say nothing about a photo: a full, read-only or broken disk, and exhausted resources."""


def readable(path: Path) -> str:
    """Returns a path as one printable line, whatever bytes its name consists of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class RecessiveError(Exception):
    """An error with a sentence for people.

    Attributes:
        problem: what is wrong and what to do, in one line and without the path.
        path: the file that the error is about, or None. ``str(error)`` is ``"<path>: <problem>"``.
    """

    kind: ClassVar[Kind] = "request"

    def __init__(self, problem: str, path: Path | None = None) -> None:
        super().__init__(problem, path)
        self.problem = " ".join(problem.split())
        self.path = path

    def __str__(self) -> str:
        """The sentence, after the path if there is one."""
        return self.problem if self.path is None else f"{readable(self.path)}: {self.problem}"


class PhotoError(RecessiveError):
    """A photo cannot be read, changed or written.

    Args:
        path: the path of the photo.
        problem: what is wrong with it.
    """

    kind: ClassVar[Kind] = "photo"
    path: Path

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(problem, path)

    def __reduce__(self) -> tuple[type[PhotoError], tuple[Path, str]]:
        """Pickle by the constructor's own arguments, whose order differs from the base class."""
        return type(self), (self.path, self.problem)


class SettingsError(RecessiveError, ValueError):
    """The options do not fit together, or name something unknown. The message says what to change."""


class MachineError(RecessiveError):
    """A disk, memory or a network is in trouble; the photo and the request are not at fault."""

    kind: ClassVar[Kind] = "machine"


def kind_of(error: BaseException) -> Kind:
    """Returns whose fault an error is: the photo's, unless the error or one of its causes says otherwise.

    Args:
        error: any exception.
    """
    if isinstance(error, RecessiveError) and error.kind != "photo":
        return error.kind
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in MACHINE_ERRNOS):
        return "machine"
    return "photo" if error.__cause__ in (None, error) else kind_of(error.__cause__)


ONE_PHOTO = (PhotoError, OSError, ValueError, RuntimeError, MemoryError)
"""Errors of a single photo, which do not stop the others, such as a missing permission or too little memory."""


def photo_error(path: Path, error: Exception, wanted: str = "protected") -> PhotoError:
    """Returns the error of a photo that was to be `wanted`, in one line; the given error becomes its cause.

    Args:
        path: the path of the photo.
        error: one of `ONE_PHOTO`.
        wanted: the past participle that follows "cannot be".
    """
    if isinstance(error, PhotoError):
        return error
    made = PhotoError(path, f"cannot be {wanted}: {str(error) or 'not enough memory'}")
    made.__cause__ = error
    return made
