"""The command line in this process."""

import runpy
from pathlib import Path

recessive = runpy.run_path(str(Path(__file__).parents[1] / "cli" / "conftest.py"))["recessive"]
