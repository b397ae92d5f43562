"""Records of finished photos, so that running again skips what is done.

One small JSON file an output, in the folder `.recessive` beside it: what was asked for (a digest of the input's bytes
and of all settings), what came out (a digest of the output's bytes), and the report.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from recessive.files import digest, write_whole

FOLDER = ".recessive"


def _path(output: Path) -> Path:
    return output.parent / FOLDER / f"{output.name}.json"


def finished(output: Path, asked: str | None = None) -> dict[str, Any] | None:
    """The report of an output that has not been touched since it was made; None where there is none.

    Args:
        output: the protected photo.
        asked: the digest that it must have been made for; None for any.
    """
    try:
        record = json.loads(_path(output).read_text(encoding="utf-8"))
        untouched = record["output"] == digest(output.read_bytes())
        report: dict[str, Any] = record["report"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no record, or not one of ours: the photo counts as not done
    return report if untouched and asked in (None, record.get("asked")) else None


def remember(output: Path, asked: str, report: dict[str, Any]) -> None:
    """Write the record of a finished output: whole or not at all.

    Raises:
        OSError: the record cannot be written.
    """
    path = _path(output)
    path.parent.mkdir(exist_ok=True)
    record = {"asked": asked, "output": digest(output.read_bytes()), "report": report}
    write_whole(path, json.dumps(record, indent=1).encode())
