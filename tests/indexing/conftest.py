"""Photos as for the tests of workflows."""

import runpy
from pathlib import Path

_workflows = runpy.run_path(str(Path(__file__).parents[1] / "workflows" / "conftest.py"))
scene, photo, broken = (_workflows[name] for name in ("scene", "photo", "broken"))
