"""Protect photos: from file to file, judged on the file that was saved."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recessive import __version__
from recessive.errors import ONE_PHOTO, photo_error
from recessive.exposure import FIRST_RESULTS, audit, keypoint_report
from recessive.files import digest, file_digest, make_folder
from recessive.photos import (
    SUFFIXES,
    Photo,
    PhotoError,
    format_named,
    format_of_path,
    output_settings,
    read_photo,
    save_photo,
)
from recessive.reports.protect_report import ProtectReport, fidelity, report_from_json
from recessive.searchers.searcher import Searcher
from recessive.searchers.searchers import DESCRIPTORS, searchers
from recessive.transforms import parse_transform
from recessive.workflows.changes import Changer
from recessive.workflows.owners_photos import read_targets
from recessive.workflows.records import finished, remember
from recessive.workflows.settings import ProtectSettings


@dataclass(frozen=True)
class Failure:
    """A photo that could not be protected; the others go on.

    Attributes:
        input: its path.
        error: one line that says what is wrong and what to do.
    """

    input: str
    error: str


def plan_outputs(inputs: Sequence[Path], out: Path, settings: ProtectSettings) -> dict[Path, Path | Failure]:
    """Where each input goes: its name, with the suffix of the format asked for; repeated inputs once.

    Two inputs that would share a name cannot both go to one folder: the second is a failure.
    """
    planned: dict[Path, Path | Failure] = {}
    taken: dict[str, Path] = {}
    for path in inputs:
        if path in planned:
            continue
        name = path.name if settings.format is None else path.stem + SUFFIXES[format_named(settings.format)][0]
        first = taken.setdefault(name.casefold(), path)
        if first != path:
            planned[path] = Failure(str(path), f"{path}: would be saved as {name}, like {first}; use another --out")
        else:
            planned[path] = out / name
    return planned


class Protector:
    """Method, surrogates, targets and searchers, loaded once for many photos.

    Args:
        settings: what is asked for.
        known: `everybody` who has read the gallery of the settings before; it is read here when None.
        progress: told how many of how many photos of a folder (sample, gallery) are read.
        complain: told of photos in folders that cannot be read.

    Attributes:
        names: of the encoders, and of local and global searches, that the method works against.

    Raises:
        SettingsError: as `Changer` has it, a target that cannot be read, or a gallery without photos.
    """

    def __init__(
        self,
        settings: ProtectSettings,
        *,
        known: Mapping[str, Searcher] | None = None,
        progress: Callable[[int, int], None] | None = None,
        complain: Callable[[PhotoError], None] | None = None,
    ) -> None:
        self.settings = settings
        self._changer = Changer(
            settings, label=settings.label, targeted=bool(settings.target), progress=progress, complain=complain
        )
        self._targets = read_targets(settings.target, settings.grid, complain=complain)
        self.names = self._changer.against
        judges = (*self._changer.judges, *DESCRIPTORS)
        if known is None:
            self.searchers = searchers(judges, self.names, settings.gallery, progress=progress, complain=complain)
        else:
            self.searchers = [replace(known[name], seen=name in self.names) for name in judges]

    def asked(self, content: bytes) -> str:
        """A digest of the input's content and of all that decides the outcome."""
        changer = self._changer
        chosen = {  # the same where spelt out, and wherever the owner's photos lie
            "budget": changer.budget,
            "steps": changer.steps,
            "encoders": changer.encoders,
            "judges": (*changer.judges, *DESCRIPTORS),
            "against": self.names,
            "sample": changer.sample_digest,
            "target": None if self._targets is None else self._targets.digest,
        }
        # ASCII, whatever the gallery's name is made of
        settings = json.dumps({**self.settings.model_dump(exclude={"device"}), **chosen}, default=str)
        return digest(__version__.encode(), settings.encode(), content)

    def _format(self, photo: Photo) -> str:
        """The one asked for, else what the photo's name promises, since the output has that name, else its own."""
        return self.settings.format or format_of_path(photo.path) or photo.format

    def change(self, photo: Photo, progress: Callable[[float], None] | None = None) -> tuple[Tensor, int]:
        """Protected pixels (3, H, W) on the 8-bit grid, and the steps that were taken.

        Args:
            photo: as read.
            progress: as for `protect_photos`.

        Raises:
            PhotoError: as `Changer.change`.
        """
        saved_as = output_settings(photo, format=self._format(photo), quality=self.settings.quality)
        targets = None if self._targets is None else self._targets.photos
        return self._changer.change(photo, saved_as, targets, progress)

    def protect(
        self,
        path: Path,
        output: Path,
        *,
        overwrite: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> ProtectReport:
        """Protect one photo, save it, and judge the saved file.

        Args:
            path: the photo.
            output: where to.
            overwrite: replace an existing output that was made otherwise.
            progress: as for `protect_photos`.

        Raises:
            PhotoError: the photo cannot be read, or the output cannot be written.
        """
        start = time.perf_counter()
        asked = self.asked(file_digest(path))
        done = finished(output, asked)
        if done is not None:
            return report_from_json({**done, "input": str(path), "output": str(output), "skipped": True})
        photo = read_photo(path)
        if output.exists() and output.samefile(path):
            raise PhotoError(path, "is itself what --out would hold; choose another --out")
        if os.path.lexists(output) and not overwrite:
            raise PhotoError(output, "exists already, made otherwise; use --overwrite, or another --out")
        pixels, steps = self.change(photo, progress)
        settings = self.settings
        save_photo(
            photo,
            pixels,
            output,
            format=self._format(photo),
            quality=settings.quality,
            keep_location=settings.keep_location,
            overwrite=overwrite,
        )
        try:
            report = self._judge(photo, path, output, steps, start)
        except BaseException:  # Ctrl-C too: without its record it would only be in the way of the next run
            output.unlink(missing_ok=True)
            raise
        try:
            remember(output, asked, asdict(report))
        except OSError as error:
            raise PhotoError(output, f"is saved, but its record is not: {error.strerror}") from error
        return report

    def _judge(self, photo: Photo, path: Path, output: Path, steps: int, start: float) -> ProtectReport:
        """Read the saved file again and search with the original."""
        saved = read_photo(output)
        settings, changer = self.settings, self._changer
        asked_again = dict.fromkeys((*settings.survive, *settings.check))
        transforms = {text: parse_transform(text).real for text in asked_again}
        found = audit(photo.pixels, saved.pixels, self.searchers, transforms)
        near = fidelity(photo.pixels, saved.pixels)
        notes = photo.notes
        if found.gallery_photos < FIRST_RESULTS:
            held = found.gallery_photos
            notes = (*notes, f"the gallery holds {held} photos: too few to be beyond the first {FIRST_RESULTS} results")
        return ProtectReport(
            input=str(path),
            output=str(output),
            method=changer.method.name,
            encoders=self.names,
            budget=changer.budget,
            norm=settings.norm,
            steps=steps,
            seconds=round(time.perf_counter() - start, 3),
            width=photo.pixels.shape[2],
            height=photo.pixels.shape[1],
            linf=near.linf,
            psnr=near.psnr,
            ssim=near.ssim,
            hidden=found.hidden,
            hidden_unseen=found.hidden_unseen,
            gallery="reference" if settings.gallery is None else str(settings.gallery),
            gallery_photos=found.gallery_photos,
            per_encoder=found.encoders,
            keypoints=_keypoints(photo.pixels, saved.pixels) if "bovw-he" in self.names else None,
            verdict=found.verdict,
            notes=notes,
        )


def _keypoints(original: Tensor, protected: Tensor) -> dict[str, float]:
    found = asdict(keypoint_report(original, protected))
    return {name: found[name] for name in ("before", "after", "kept", "new", "removal_rate")}


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
        inputs: paths of photos.
        out: folder for the protected photos; made when missing.
        protector: settings, loaded.
        overwrite: replace existing outputs that were made otherwise.
        progress: told the progress through the steps of the photo that is under way, in [0, 1]; an exception of its own
            stops all, and nothing of that photo stays behind.

    Yields:
        One report or failure an input, in their order.

    Raises:
        SettingsError: the folder cannot be made.
    """
    make_folder(out)
    for path, output in plan_outputs(inputs, out, protector.settings).items():
        if isinstance(output, Failure):
            yield output
            continue
        result: ProtectReport | Failure
        try:
            with torch.inference_mode(mode=False), torch.enable_grad():
                result = protector.protect(path, output, overwrite=overwrite, progress=progress)
        except ONE_PHOTO as error:
            result = Failure(str(path), str(photo_error(path, error)))
        yield result  # outside, so that whoever asks keeps their own gradient mode
