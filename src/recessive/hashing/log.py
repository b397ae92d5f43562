"""The log of a training: a line an epoch, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from recessive.files import write_whole
from recessive.hashing.errors import TrainingError
from recessive.hashing.settings import EpochReport


def write_log(path: Path, log: Sequence[EpochReport]) -> None:
    """Replace the file by the whole log: a training that went on from a snapshot has one log without gaps.

    Raises:
        TrainingError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(EpochReport))
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in astuple(line)] for line in log)
    try:
        write_whole(path, text.getvalue().encode())
    except OSError as error:
        raise TrainingError(
            f"{path}: the log cannot be written ({error.strerror or error}); make room and go on with --resume"
        ) from error
