"""The same tiny encoders and photos as for the workflows."""

import runpy
from pathlib import Path

_workflows = runpy.run_path(str(Path(__file__).parents[1] / "workflows" / "conftest.py"))
tiny_encoders, reference = _workflows["tiny_encoders"], _workflows["reference"]
committed_checkpoint = _workflows["committed_checkpoint"]
scene, texture, photo, broken = (_workflows[name] for name in ("scene", "texture", "photo", "broken"))
still, tiles, breaking, towards = (_workflows[name] for name in ("still", "tiles", "breaking", "towards"))
album, protect = _workflows["album"], _workflows["protect"]
