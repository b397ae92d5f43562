"""The command line: one file a command. Heavy packages are imported when a command runs, not for its help."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

from recessive import __version__
from recessive.cli.audit import audit
from recessive.cli.data import data
from recessive.cli.encoders import encoders
from recessive.cli.index import index
from recessive.cli.keys import keys
from recessive.cli.methods import methods
from recessive.cli.output import INTERRUPTED, WRONG_USE
from recessive.cli.private_query import private_query
from recessive.cli.protect import protect
from recessive.cli.search import search
from recessive.cli.serve import serve
from recessive.cli.train import train
from recessive.cli.watch import watch
from recessive.cli.worker import worker

if TYPE_CHECKING:
    from collections.abc import Sequence

CUT_SHORT = 141  # as a shell says of a program that SIGPIPE ended

app = App(
    name="recessive",
    version=__version__,
    help="""Protect photos from being found by content.

A protected photo looks the same to people; searches by content (deep hashes, neural descriptors) do not return it.
Every verdict is about the file that was saved, read again.

  recessive protect holiday/*.jpg --out protected
  recessive audit holiday/beach.jpg protected/beach.jpg

Protect what arrives in a folder, and serve other people and programs by a web page and an HTTP API:

  recessive watch incoming outgoing
  recessive serve

To search without showing what for, make a photo that may be seen return what a private one would:

  recessive private-query passport.jpg --carrier cat.jpg --out query.png

Search as others do, by networks, local features or global descriptors:

  recessive index holiday --encoder bovw-he --out holiday.index
  recessive search holiday.index protected/beach.jpg

Networks that searchers use can be trained, and measured as papers do:

  recessive train hashnet --data fashion-mnist --root DATA

Exit status: 0 done, 1 some photos or the training failed (what was finished is written), 2 wrong use.""",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,  # main says more than cyclopts would
)
app.command(protect)
app.command(audit)
app.command(private_query)
app.command(watch)
app.command(serve)
app.command(worker)
app.command(keys)
app.command(index)
app.command(search)
app.command(encoders)
app.command(methods)
app.command(train)
app.command(data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is returned."""
    try:
        result = app(
            list(arguments) if arguments is not None else None, exit_on_error=False, result_action="return_value"
        )
        sys.stdout.flush()
    except CycloptsError:
        return WRONG_USE  # cyclopts has said what is wrong
    except KeyboardInterrupt:
        print("interrupted; finished photos are kept, and running again goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Nothing more may be written, not even when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT
    return result if isinstance(result, int) else 0
