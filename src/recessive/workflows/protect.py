"""Protect photos into a folder: what is done already is skipped, outputs are written whole, failures stay alone.

One small JSON record lies beside each output, in the folder `.recessive`: the digest of the request (the input's bytes
and all options), the digest of the output's bytes, and the report. Running again skips outputs whose record still fits.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recessive.errors import ONE_PHOTO, Kind, PhotoError, kind_of, photo_error
from recessive.files import digest, file_digest, make_folder, write_whole
from recessive.options import ProtectOptions
from recessive.photos import SUFFIXES, format_named, read_photo
from recessive.reports import ProtectReport, report_from_json
from recessive.workflows.protector import Protector, protect_photo

RECORDS = ".recessive"
"""The folder of records, beside the outputs."""


@dataclass(frozen=True)
class Failure:
    """A photo that could not be protected; the others go on.

    Attributes:
        input: the path of the photo.
        error: one line that says what is wrong and what to do.
        kind: whose fault it is: that of the photo, the request, or the machine.
    """

    input: str
    error: str
    kind: Kind = "photo"


def finished(output: Path, request: str | None = None) -> dict[str, Any] | None:
    """The report of an output that has not been changed since it was written; None when there is none.

    Args:
        output: the protected photo.
        request: the digest of the request that it must have been made for; None for any.
    """
    try:
        record = json.loads(_record_path(output).read_text(encoding="utf-8"))
        unchanged = record["output"] == digest(output.read_bytes())
        report: dict[str, Any] = record["report"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no record of ours: the photo counts as not done
    return report if unchanged and request in (None, record.get("asked")) else None


def remember(output: Path, request: str, report: dict[str, Any]) -> None:
    """Write the record of a finished output, whole or not at all.

    Raises:
        OSError: if the record cannot be written.
    """
    path = _record_path(output)
    path.parent.mkdir(exist_ok=True)
    record = {"asked": request, "output": digest(output.read_bytes()), "report": report}
    write_whole(path, json.dumps(record, indent=1).encode())


def _record_path(output: Path) -> Path:
    return output.parent / RECORDS / f"{output.name}.json"


def plan_outputs(inputs: Sequence[Path], out: Path, settings: ProtectOptions) -> dict[Path, Path | Failure]:
    """The output of each input: its own name, with the suffix of the requested format. Repeated inputs count once.

    Two inputs that would share a name cannot both go into one folder: the second is a failure.
    """
    planned: dict[Path, Path | Failure] = {}
    taken: dict[str, Path] = {}
    for path in inputs:
        if path in planned:
            continue
        name = path.name if settings.format is None else path.stem + SUFFIXES[format_named(settings.format)][0]
        first = taken.setdefault(name.casefold(), path)
        if first != path:
            error = f"{path}: would be saved as {name}, like {first}; use another --out"
            planned[path] = Failure(str(path), error, "request")
        else:
            planned[path] = out / name
    return planned


def protect_file(
    path: Path,
    output: Path,
    protector: Protector,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> ProtectReport:
    """Protect the photo of one file into another file, and remember that it is done.

    Args:
        path: the photo.
        output: the file to write; its folder must exist.
        protector: method, surrogates and searchers.
        overwrite: replace an existing output that was made otherwise.
        progress: as for `protect_photo`.

    Raises:
        PhotoError: if the photo cannot be read or protected, or the output cannot be written.
    """
    start = time.perf_counter()
    request = protector.request_digest(file_digest(path))
    done = finished(output, request)
    if done is not None:
        return report_from_json({**done, "input": str(path), "output": str(output), "skipped": True})
    photo = read_photo(path)
    if output.exists() and output.samefile(path):
        raise PhotoError(path, "is itself what --out would hold; choose another --out")
    if os.path.lexists(output) and not overwrite:
        raise PhotoError(output, "exists already, made otherwise; use --overwrite, or another --out")
    protected = protect_photo(photo, protector, progress=progress, start=start)
    report = replace(protected.report, output=str(output))
    try:
        write_whole(output, protected.data, overwrite=overwrite)
    except OSError as error:
        raise PhotoError(output, f"cannot be written: {error.strerror or error}") from error
    try:
        remember(output, request, asdict(report))
    except OSError as error:
        raise PhotoError(output, f"is saved, but its record is not: {error.strerror}") from error
    return report


def protect_photos(
    inputs: Sequence[Path],
    out: Path,
    protector: Protector,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Iterator[ProtectReport | Failure]:
    """Protect photos one after another; a failure does not stop the others.

    Args:
        inputs: the paths of the photos.
        out: the folder for the protected photos; it is created when it is missing.
        protector: method, surrogates and searchers.
        overwrite: replace existing outputs that were made otherwise.
        progress: called with the share of the current photo that is done, in [0, 1]. An exception that it raises ends
            everything, and nothing of that photo stays behind.

    Yields:
        One report or failure for each input, in their order.

    Raises:
        SettingsError: if the folder cannot be created.
    """
    make_folder(out)
    for path, output in plan_outputs(inputs, out, protector.settings).items():
        if isinstance(output, Failure):
            yield output
            continue
        result: ProtectReport | Failure
        try:
            result = protect_file(path, output, protector, overwrite=overwrite, progress=progress)
        except ONE_PHOTO as error:
            result = Failure(str(path), str(photo_error(path, error)), kind_of(error))
        yield result
