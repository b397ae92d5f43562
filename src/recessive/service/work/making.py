"""What a worker makes of one photo: files in the folder of its claim, and what the job's row will say of them."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recessive.errors import readable
from recessive.files import write_whole
from recessive.photos import format_of_path, read_photo
from recessive.reports.contact_sheet import contact_sheet
from recessive.reports.insight import Insight, explain
from recessive.service.names import saved_name
from recessive.service.store.job import Job
from recessive.service.store.storage import Storage
from recessive.workflows import Failure, Protector, ProtectReport, protect_photos
from recessive.workflows.records import FOLDER

_PROTECTED, _EXPLAINED = 0.85, 0.97  # shares of the work that are done by then
_LONGEST_ERROR = 500
_log = logging.getLogger(__name__)


class NotMade(Exception):  # noqa: N818 (an outcome)
    """The photo could not be protected; the message is one line for its owner."""


@dataclass(frozen=True)
class Made:
    """A result, whole and on the disk.

    Attributes:
        report: the `ProtectReport` as JSON.
        insight: the `Insight` as JSON; None when there was something wrong with it.
        result: path of the protected photo below the folder of results.
        sheet: path of the contact sheet, likewise; None when there was something wrong with it.
    """

    report: dict[str, Any]
    insight: dict[str, Any] | None
    result: str
    sheet: str | None


def make(job: Job, storage: Storage, folder: Path, protector: Protector, progress: Callable[[float], None]) -> Made:
    """Protect a job's photo, judge the saved file, and explain the verdict.

    Args:
        job: what is asked for.
        storage: where its original lies.
        folder: of this claim, empty.
        protector: of the job's options.
        progress: told the share that is done; what it raises ends the work.

    Raises:
        NotMade: says why.
    """
    original = storage.original(job)
    (report,) = protect_photos([original], folder, protector, progress=lambda share: progress(_PROTECTED * share))
    if isinstance(report, Failure):
        raise NotMade(plain(report.error, job, storage, folder))
    progress(_PROTECTED)
    saved = Path(report.output)
    photo = folder / f"photo{saved.suffix}"
    saved.replace(photo)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)  # it serves those who protect a folder again
    format_ = format_of_path(photo)
    report = replace(
        report,
        input=job.name,
        output=saved_name(job.name, format_) if format_ else job.name,
        gallery=report.gallery if report.gallery == "reference" else "the service's own",
    )
    insight, sheet = _explained(job, original, photo, protector, report)
    progress(_EXPLAINED)
    for changed in (folder, folder.parent):
        _to_disk(changed)
    return Made(
        report=asdict(report),
        insight=asdict(insight) if insight else None,
        result=f"{folder.name}/{photo.name}",
        sheet=sheet and f"{folder.name}/{sheet}",
    )


def _explained(
    job: Job, original: Path, photo: Path, protector: Protector, report: ProtectReport
) -> tuple[Insight | None, str | None]:
    """Insight and contact sheet, as far as they can be had: the photo is protected without them."""
    insight: Insight | None = None
    sheet = photo.with_name("contact-sheet.png")
    try:
        before, after = read_photo(original).pixels, read_photo(photo).pixels
        insight = explain(before, after, protector.searchers)
        write_whole(sheet, contact_sheet(before, after, report, insight))
    except Exception as error:  # noqa: BLE001 - whatever it is
        _log.warning("job %s is not explained: %s", job.id, type(error).__name__)
        return insight, None
    return insight, sheet.name


def plain(error: str, job: Job, storage: Storage, folder: Path | None = None) -> str:
    """An error as the owner may read it: one line, with the name of their photo in place of the service's paths."""
    if "allocate memory" in error or "not enough memory" in error:
        return f"{job.name}: the service has not enough memory for it; send a smaller photo"
    paths = [storage.original(job), *([folder / job.original] if folder else [])]
    for path in paths:
        error = error.replace(readable(path), job.name)
    error = error.replace(readable(storage.folder), "the service's folder")
    return " ".join(error.split())[:_LONGEST_ERROR]


def _to_disk(folder: Path) -> None:
    """See that the names in a folder outlive a power failure, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
