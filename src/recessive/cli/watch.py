"""recessive watch."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from recessive.cli.output import FAILED, print_error, print_json, print_text
from recessive.cli.protect import DEFAULTS, in_words, make_protector
from recessive.options import ProtectOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recessive.watching import WatchedPhoto

COUNTED = ("protected", "held", "failed")


def watch(
    folder: Annotated[Path, Parameter(name="IN")],
    out: Annotated[Path, Parameter(name="OUT")],
    /,
    *,
    options: Annotated[ProtectOptions, Parameter(name="*")] = DEFAULTS,
    held: Path | None = None,
    passes: Literal["seen", "all"] = "seen",
    settle: float = 2,
    once: bool = False,
    json: bool = False,
) -> int:
    """Protect the photos that arrive in a folder, and pass on those that searches do not find.

    A camera, scanner or phone puts photos into IN or folders below it. Protected photos appear in OUT under the same
    names, always complete, ready to be sent on. A photo that searches still find after it is protected is held back:
    it goes to --held, and the reason is printed. Nothing in IN is ever changed.

      recessive watch incoming outgoing

    The watch goes on until Ctrl-C or SIGTERM, and then ends with status 0. It waits for photos that are still being
    written, and starts an interrupted photo again the next time. With --once it ends when the photos that are there now
    are done, with status 0, 1 if some of them failed, or 130 or 143 if it was interrupted.

      recessive watch /media/card outgoing --once --json

    Each photo is protected once, even across restarts: photos that you move out of OUT or delete there are not made
    again. A new photo with an old name gets a free name, such as a-2.jpg. A photo that failed is tried again when it
    changes. Photos that failed or were held are also tried again when you start with other options, such as more
    --steps or a larger --budget, or with a new version of the program. To protect all photos again, delete .recessive
    in the folder of held photos, which is where the watch remembers them.

    Photos are recognised by their suffix, such as .jpg. Other files, hidden files and links to folders are ignored.

    Args:
        folder: Folder where photos arrive.
        out: Folder for photos that pass. Nothing else is ever put there.
        held: Folder for photos that are held back, and for what the watch remembers. By default, OUT-held beside OUT.
        passes: Who must not find a photo for it to pass: the encoders that it was optimised against (seen), or all that
            searched (all).
        settle: Seconds that a file must stay unchanged before it is read.
        once: Protect the photos that are there now, and end.
        json: Print one JSON object per photo on stdout.
    """
    from recessive.watching import watch_photos

    protector = make_protector(options)
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
                    on_message=print_error,
                    progress=status,
                ):
                    if result.state in counts:
                        counts[result.state] += 1
                    _print_result(result, json=json)
        finally:
            if any(counts.values()):
                print_error(_counted(counts))
    if signals:
        print_error("stopped; running again goes on from there")
        return 128 + signals[0] if once else 0
    return FAILED if counts["failed"] else 0


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _print_result(result: WatchedPhoto, *, json: bool) -> None:
    if json:
        print_json(result)
    if result.state == "failed":
        print_error(f"{result.input}: {result.reason}")
    elif not json:
        held = "HELD. " if result.state == "held" else ""
        print_text(f"{result.input}: {result.reason}" if result.report is None else f"{held}{in_words(result.report)}")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Note Ctrl-C and SIGTERM, so that the photo in work ends cleanly; a second Ctrl-C does not wait."""
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
    """Show a line on stderr, if that is a terminal; yield what to call with (photos waiting, photo, share done)."""
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
