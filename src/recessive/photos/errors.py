"""The one error of this room."""

import os
from pathlib import Path


def readable(path: Path) -> str:
    """Returns a path as one printable line, whatever bytes its name is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class PhotoError(Exception):
    """A photo cannot be read or written; the message is one line that says why and what to do.

    Attributes:
        path: the file.
        problem: what is wrong with it; ``str(error)`` is ``"<path>: <problem>"``.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = " ".join(problem.split())

    def __str__(self) -> str:
        return f"{readable(self.path)}: {self.problem}"
