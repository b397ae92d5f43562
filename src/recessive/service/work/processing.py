"""From a job to its result: the photo is protected, the saved file judged, and the verdict explained."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recessive.errors import ONE_PHOTO, RecessiveError, SettingsError, photo_error
from recessive.files import sync_folder, write_whole
from recessive.options import JobOptions, OptionsError, ProtectOptions, ServiceOptions, read
from recessive.photos import SUFFIXES, Photo, decode_photo, read_photo
from recessive.reports.contact_sheet import contact_sheet
from recessive.reports.insight import Insight, explain
from recessive.searchers import Searcher, default_searchers
from recessive.service.names import saved_name
from recessive.service.store.job import Job
from recessive.workflows import Protected, Protector, ProtectReport, protect_photo

NO_MEMORY = "the service does not have enough memory for this photo; send a smaller one"
_PROTECTED, _EXPLAINED = 0.85, 0.97  # shares of the work that are done by then
_MOST_PROTECTORS = 4
_log = logging.getLogger(__name__)


class JobError(RecessiveError):
    """A job cannot be done. The owner reads its `problem`, which contains no path of the service."""


@dataclass(frozen=True)
class JobResult:
    """The result of a job, on the disk.

    Attributes:
        report: the `ProtectReport` as JSON.
        insight: the `Insight` as JSON; None if it could not be computed.
        result: the path of the protected photo below the folder of results.
        sheet: the path of the contact sheet below the folder of results; None if it could not be made.
    """

    report: dict[str, Any]
    insight: dict[str, Any] | None
    result: str
    sheet: str | None


class JobProcessor:
    """Processes jobs, one at a time. The protectors used last stay loaded for jobs with the same options.

    Args:
        settings: the settings of the service.
    """

    def __init__(self, settings: ServiceOptions) -> None:
        self._gallery = settings.gallery
        self._searchers: dict[str, Searcher] | None = None  # with the gallery of the service
        self._protectors: OrderedDict[ProtectOptions, Protector] = OrderedDict()

    def process(self, job: Job, original: Path, folder: Path, progress: Callable[[float], None]) -> JobResult:
        """Protect the photo of a job, judge the saved file, and explain the verdict.

        Args:
            job: the job.
            original: the path of its upload.
            folder: the empty folder of this claim, for the result.
            progress: called with the share of the work that is done; an exception that it raises ends the work.

        Raises:
            JobError: if the photo cannot be protected.
        """
        protector = self._protector(job, progress)
        try:
            photo = read_photo(original)
            protected = protect_photo(photo, protector, progress=lambda share: progress(_PROTECTED * share))
            path = folder / f"photo{SUFFIXES[protected.format][0]}"
            write_whole(path, protected.data)
        except ONE_PHOTO as error:
            raise JobError(_problem(original, error)) from error
        progress(_PROTECTED)
        report = protected.report
        report = replace(
            report,
            input=job.name,
            output=saved_name(job.name, protected.format),
            gallery=report.gallery if report.gallery == "reference" else "the service's own",
        )
        insight, sheet = _explanation(job, photo, protected, folder / "contact-sheet.png", protector, report)
        progress(_EXPLAINED)
        sync_folder(folder)
        sync_folder(folder.parent)
        return JobResult(
            report=asdict(report),
            insight=asdict(insight) if insight else None,
            result=f"{folder.name}/{path.name}",
            sheet=sheet and f"{folder.name}/{sheet}",
        )

    def _protector(self, job: Job, progress: Callable[[float], None]) -> Protector:
        """The protector for the options of a job; the gallery of the service is read for the first one."""
        try:
            wanted = read(JobOptions, job.options).protect_options(self._gallery)
            protector = self._protectors.pop(wanted, None)
            if protector is None:
                if self._gallery is not None and self._searchers is None:
                    self._searchers = default_searchers(self._gallery, progress=lambda *_: progress(0.0))
                protector = Protector(wanted, known=self._searchers)
        except OptionsError as error:
            raise JobError("; ".join(f"{name}: {problem}" for name, problem in error.errors)) from error
        except SettingsError as error:  # the gallery is the only path among the options
            raise JobError(error.problem if error.path is None else f"the service's gallery {error.problem}") from error
        self._protectors[wanted] = protector
        if len(self._protectors) > _MOST_PROTECTORS:
            self._protectors.popitem(last=False)
        return protector


def _problem(original: Path, error: Exception) -> str:
    """Why a photo was not protected, without a path of the service."""
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or "not enough memory" in str(error):
        return NO_MEMORY
    if isinstance(error, OSError):
        return f"cannot be protected: {error.strerror or 'a file cannot be read or written'}"
    return photo_error(original, error).problem


def _explanation(
    job: Job, photo: Photo, protected: Protected, sheet: Path, protector: Protector, report: ProtectReport
) -> tuple[Insight | None, str | None]:
    """Insight and contact sheet, if they can be had: the photo is protected without them."""
    insight: Insight | None = None
    try:
        saved = decode_photo(protected.data, sheet)
        insight = explain(photo.pixels, saved.pixels, protector.searchers)
        write_whole(sheet, contact_sheet(photo.pixels, saved.pixels, report, insight))
    except Exception as error:  # noqa: BLE001 - whatever it is
        _log.warning("job %s is not explained: %s", job.id, type(error).__name__)
        return insight, None
    return insight, sheet.name
