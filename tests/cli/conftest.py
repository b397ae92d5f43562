"""The same tiny encoders and photos as for the workflows, and the command line in this process."""

import runpy
from pathlib import Path
from typing import NamedTuple

import pytest

from recessive.cli import main

_workflows = runpy.run_path(str(Path(__file__).parents[1] / "workflows" / "conftest.py"))
tiny_encoders, reference = _workflows["tiny_encoders"], _workflows["reference"]
committed_checkpoint = _workflows["committed_checkpoint"]
scene, texture, photo, broken = (_workflows[name] for name in ("scene", "texture", "photo", "broken"))
still, tiles, breaking, towards = (_workflows[name] for name in ("still", "tiles", "breaking", "towards"))
album = _workflows["album"]


class Ran(NamedTuple):
    status: int
    stdout: str
    stderr: str


@pytest.fixture
def recessive(capsys):
    """Runs a command: exit status, stdout, stderr."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return Ran(status, *capsys.readouterr())

    return run
