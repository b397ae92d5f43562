"""recessive watch."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from recessive.cli.output import FAILED, WRONG_USE, complain, print_json, say
from recessive.cli.protect import in_words
from recessive.cli.protect_options import DEFAULTS, ProtectOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recessive.watching import WatchedPhoto

COUNTED = ("protected", "held", "failed")


def watch(
    folder: Annotated[Path, Parameter(name="IN")],
    out: Annotated[Path, Parameter(name="OUT")],
    /,
    *,
    options: ProtectOptions = DEFAULTS,
    held: Path | None = None,
    passes: Literal["seen", "all"] = "seen",
    settle: float = 2,
    once: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Protect the photos that arrive in a folder, and pass on those that searches do not find.

    A camera, scanner or phone puts photos into IN, also into folders below it; protected ones appear in OUT, whole,
    under the same names, ready for whatever sends them on. A photo that is still found when it is protected is held:
    it goes to --held instead, and the reason is said. IN is only read.

      recessive watch incoming outgoing

    It goes on until Ctrl-C or SIGTERM, with status 0. Photos that are still being written are waited for, and a photo
    that was under way when it ended is done the next time. With --once it takes what is there and ends: status 0, 1 if
    some photos failed, 130 or 143 when it was interrupted.

      recessive watch /media/card outgoing --once --json

    Each photo is done once, also across restarts: what is moved or deleted from OUT is not made again. A new photo
    under an old name gets a free one, a-2.jpg. What failed is tried again when it changes, and what failed or was held
    when you start with other options, such as more --steps or a larger --budget, or with another version. To do all
    again, delete .recessive in the folder for held photos, which remembers it.

    Photos are told by their suffix, as .jpg; other files, hidden ones, and links to folders are left alone.

    Parameters
    ----------
    folder
        Where photos arrive.
    out
        Folder for photos that pass. Nothing else is ever put there.
    held
        Folder for photos that do not pass, and for what is remembered. By default OUT-held, beside OUT.
    passes
        Who must not find a photo for it to pass: the encoders that it was optimised against (seen), or all that were
        asked (all).
    settle
        Seconds that a file has to stay as it is before it is taken.
    once
        Take the photos that are there now, and end.
    json
        One JSON object a photo on stdout.
    """
    from recessive.errors import SettingsError
    from recessive.watching import watch_photos

    protector = options.protector()
    if protector is None:
        return WRONG_USE
    counts = dict.fromkeys(COUNTED, 0)
    with _signals() as signals:
        try:
            with _status(folder, counts) as status:
                for result in watch_photos(
                    folder,
                    out,
                    protector,
                    held=held,
                    passes=passes,
                    settle=settle,
                    once=once,
                    stop=lambda: bool(signals),
                    on_message=complain,
                    progress=status,
                ):
                    if result.state in counts:
                        counts[result.state] += 1
                    _tell(result, json=json)
        except SettingsError as error:
            complain(error)
            return WRONG_USE
        finally:
            if any(counts.values()):
                complain(_counted(counts))
    if signals:
        complain("stopped; running again goes on from there")
        return 128 + signals[0] if once else 0
    return FAILED if counts["failed"] else 0


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _tell(result: WatchedPhoto, *, json: bool) -> None:
    if json:
        print_json(result)
    if result.state == "failed":
        complain(f"{result.input}: {result.reason}")
    elif not json:
        held = "HELD. " if result.state == "held" else ""
        say(f"{result.input}: {result.reason}" if result.report is None else f"{held}{in_words(result.report)}")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM are noted, so that what is under way comes to a clean end; a second Ctrl-C does not wait."""
    noted: list[int] = []

    def note(number: int, _: object) -> None:
        noted.append(number)
        if signal.SIGINT in heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():  # others get no signals
        yield noted
        return
    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _status(folder: Path, counts: dict[str, int]) -> Iterator[Callable[[int, Path | None, float], None]]:
    """A line on stderr, if that is a terminal; what it gives is told what waits, what is under way, and its share."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False)
    # As for `bar`: what is printed on stdout would otherwise end on stderr.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, redirect_stdout=sys.stdout.isatty()
    ) as shown:
        task = shown.add_task(f"watching {folder}", total=None)

        def status(waiting: int, photo: Path | None, share: float) -> None:
            now = "" if photo is None else f"; {photo.name} {share:.0%}"
            shown.update(task, description=f"watching {folder}: {_counted(counts)}, {waiting} waiting{now}")

        yield status
