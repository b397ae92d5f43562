"""What commands say: JSON objects on stdout, everything else on stderr, and the exit status."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import ValidationError
    from rich.progress import Progress, ProgressColumn

FAILED = 1  # of some photos, or of the training
WRONG_USE = 2
INTERRUPTED = 130  # as a shell says of a program that SIGINT ended


def print_json(value: Any) -> None:  # noqa: ANN401 - a dataclass or a plain dictionary
    """One object on one line of stdout, in ASCII: any terminal and any file name will do."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    print(json.dumps(plain), flush=True)


def say(text: str) -> None:
    """Text for people on stdout; what it cannot show, such as a file name that is not UTF-8, is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def complain(problem: object) -> None:
    """One line on stderr."""
    print(f"recessive: {problem}", file=sys.stderr, flush=True)


def complain_of_options(error: ValidationError, called: Mapping[str, str] | None = None) -> None:
    """A line for each option whose value makes no sense; `called` has those that are not called as their settings."""
    for problem in error.errors():
        setting = "-".join(str(place) for place in problem["loc"][:1])
        option = (called or {}).get(setting, setting).replace("_", "-")
        complain(f"--{option}: {problem['msg'].removeprefix('Value error, ')}")


@contextmanager
def bar(amount: ProgressColumn) -> Iterator[Progress]:
    """A bar on stderr, if that is a terminal, until the block ends; `amount` says how much is done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    # rich would send what we print on stdout to its own console, stderr: right only where both are the terminal.
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        amount,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        yield progress


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, if that is a terminal: call what it gives with (done, of)."""
    from rich.progress import MofNCompleteColumn

    with bar(MofNCompleteColumn()) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
