"""The command line: one file per command. Heavy packages are imported when a command runs, not for its help.

Options are declared in `recessive.options`; a command takes one of its dataclasses. Errors that people can act on end
in `main`, which prints them and returns the exit status.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError, Parameter

from recessive import __version__
from recessive.cli.audit import audit
from recessive.cli.data import data
from recessive.cli.encoders import encoders
from recessive.cli.index import index
from recessive.cli.methods import methods
from recessive.cli.output import INTERRUPTED, WRONG_USE, reflow, report_error
from recessive.cli.private_query import private_query
from recessive.cli.protect import protect
from recessive.cli.search import search
from recessive.cli.service import keys, serve, worker
from recessive.cli.train import train
from recessive.cli.watch import watch
from recessive.errors import RecessiveError

if TYPE_CHECKING:
    from collections.abc import Sequence

CUT_SHORT = 141  # as shells report a program that SIGPIPE ended


def _shown(default: object) -> str | None:
    """Return how the help shows a default; empty ones are left out."""
    return None if default is None or default is False or default in ((), "") else str(default)


app = App(
    name="recessive",
    version=__version__,
    help=reflow("""Protect photos from being found by what they show.

A protected photo looks the same to people, but searches by content no longer return it. Each one is checked by
searching for it, in the file as it was saved.

  recessive protect holiday/*.jpg --out protected
  recessive audit holiday/beach.jpg protected/beach.jpg

Protect photos as they arrive in a folder, or for other people and programs through a web page and an HTTP API:

  recessive watch incoming outgoing
  recessive serve

Search with a photo that does not show what you are looking for:

  recessive private-query passport.jpg --carrier cat.jpg --out query.png

Search your own photos as a search engine would:

  recessive index holiday --encoder bovw-he --out holiday.index
  recessive search holiday.index protected/beach.jpg

Train the networks that such searches use:

  recessive train hashnet --data fashion-mnist --root DATA

Exit status: 0 success; 1 some photos or the training failed, finished ones are saved; 2 wrong use."""),
    help_format="plaintext",
    default_parameter=Parameter(consume_multiple=True, negative="", show_default=_shown),
    suppress_keyboard_interrupt=False,  # main says more than cyclopts would
)
for _command in (protect, audit, private_query, watch, serve, worker, index, search, encoders, methods, train, data):
    app.command(_command, help=reflow(_command.__doc__))
app.command(keys)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    try:
        result = app(
            list(arguments) if arguments is not None else None, exit_on_error=False, result_action="return_value"
        )
        sys.stdout.flush()
    except CycloptsError:
        return WRONG_USE  # cyclopts has printed what is wrong
    except RecessiveError as error:
        return report_error(error)
    except KeyboardInterrupt:
        print("interrupted; finished photos are kept, and running again goes on from there", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone. Nothing more may be written, not even when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CUT_SHORT
    return result if isinstance(result, int) else 0
