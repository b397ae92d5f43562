"""What commands print: results on stdout, everything else on stderr; and their exit statuses."""

from __future__ import annotations

import dataclasses
import json
import sys
from contextlib import contextmanager
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, ProgressColumn

    from recessive.errors import RecessiveError

FAILED = 1  # some photos, or the training
WRONG_USE = 2
INTERRUPTED = 130  # as shells report a program that SIGINT ended


def reflow(text: str | None) -> str:
    """Return a help text with each paragraph on one line, so that it wraps where the terminal ends."""
    paragraphs = cleandoc(text or "").partition("\n\nArgs:")[0].split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else part.replace("\n", " ") for part in paragraphs)


def print_json(value: Any) -> None:  # noqa: ANN401 - a dataclass or a plain dictionary
    """Print one object on one line of stdout, in ASCII, for any terminal and any file name."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    print(json.dumps(plain), flush=True)


def print_text(text: str) -> None:
    """Print text for people on stdout; characters that it cannot show, as in names that are not UTF-8, are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def print_error(problem: object) -> None:
    """Print one line on stderr."""
    print(f"recessive: {problem}", file=sys.stderr, flush=True)


def report_error(error: RecessiveError) -> int:
    """Print an error that ends a command, and return the command's exit status."""
    from recessive.errors import SettingsError
    from recessive.options import OptionsError

    lines = error.lines if isinstance(error, OptionsError) else [error]
    for line in lines:
        print_error(line)
    return WRONG_USE if isinstance(error, SettingsError) else FAILED


@contextmanager
def encoders_are_options() -> Iterator[None]:
    """Treat an encoder that cannot be loaded as a wrong --encoder."""
    from recessive.encoders import EncoderError
    from recessive.errors import SettingsError

    try:
        yield
    except EncoderError as error:
        raise SettingsError(error.problem, error.path) from error


@contextmanager
def bar(amount: ProgressColumn) -> Iterator[Progress]:
    """Show a progress bar on stderr, if that is a terminal, until the block ends.

    Args:
        amount: the column that says how much is done.
    """
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
    """Show a progress bar on stderr, if that is a terminal; the block calls what it is given with (done, in total)."""
    from rich.progress import MofNCompleteColumn

    with bar(MofNCompleteColumn()) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
