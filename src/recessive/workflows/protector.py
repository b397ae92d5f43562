"""Protect one photo: from a decoded photo to the bytes of a file and a report, without paths and records.

The folder workflow, watched folders, the service and whoever has photos in memory call `protect_photo`. The verdict is
about the encoded file: its bytes are decoded again before anything is compared or searched.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from recessive import __version__
from recessive.errors import PhotoError
from recessive.exposure import FIRST_RESULTS, audit, keypoint_report
from recessive.files import digest
from recessive.options import ProtectOptions, check, dump
from recessive.photos import (
    Format,
    Photo,
    decode_photo,
    encode_photo,
    format_named,
    format_of_path,
    output_settings,
)
from recessive.reports import ProtectReport, fidelity
from recessive.searchers import HANDCRAFTED, Searcher, searchers
from recessive.transforms import parse_transform
from recessive.workflows.method_runner import MethodRunner
from recessive.workflows.samples import read_targets


@dataclass(frozen=True)
class Protected:
    """A protected photo.

    Attributes:
        data: the content of the file to save.
        format: its format.
        report: what was done and what searches find; input and output are the photo's path until the caller says more.
    """

    data: bytes
    format: Format
    report: ProtectReport


class Protector:
    """A method, its surrogates and targets, and the searchers that judge it: loaded once for many photos.

    Args:
        settings: the options of the protection.
        known: the `default_searchers` of the settings' gallery, when it has been read before.
        progress: called with (photos read, photos in total) while a sample or gallery is read.
        on_error: called with the error of each photo of a folder that cannot be read.

    Attributes:
        names: the names of the encoders and hand-crafted features that the method works against.
        searchers: who searches for the protected photo.

    Raises:
        SettingsError: as for `MethodRunner`, and if a target cannot be read or the gallery holds no photos.
        EncoderError: if weights are missing or damaged.
    """

    def __init__(
        self,
        settings: ProtectOptions,
        *,
        known: Mapping[str, Searcher] | None = None,
        progress: Callable[[int, int], None] | None = None,
        on_error: Callable[[PhotoError], None] | None = None,
    ) -> None:
        self.settings = settings = check(settings)
        self.runner = MethodRunner(
            settings, label=settings.label, targeted=bool(settings.target), progress=progress, on_error=on_error
        )
        self.targets = read_targets(settings.target, settings.grid, on_error=on_error)
        self.names = self.runner.against
        self.judges = (*self.runner.judges, *HANDCRAFTED)
        if known is not None and known.keys() >= set(self.judges):
            self.searchers = [replace(known[name], seen=name in self.names) for name in self.judges]
        else:
            self.searchers = searchers(
                self.judges,
                self.names,
                settings.gallery,
                thresholds=self.runner.thresholds,
                progress=progress,
                on_error=on_error,
            )
        self.transforms = {
            text: parse_transform(text).real for text in dict.fromkeys((*settings.survive, *settings.check))
        }

        options = {name: value for name, value in dump(settings).items() if name not in ("device", "encoder")}
        chosen = {
            "budget": self.runner.budget,
            "steps": self.runner.steps,
            "encoders": self.runner.encoders,
            "judges": self.judges,
            "against": self.names,
            "sample": self.runner.sample_digest,
            "target": None if self.targets is None else self.targets.digest,
        }
        self._request = json.dumps({**options, **chosen}).encode()  # ASCII, whatever a gallery's name consists of

    def request_digest(self, content: bytes) -> str:
        """A digest of a photo's content and of everything that decides the outcome.

        Defaults that are spelt out do not change it, nor do the places where the owner's photos lie.
        """
        return digest(__version__.encode(), self._request, content)

    def format_for(self, photo: Photo) -> Format:
        """The format of the saved file: the requested one, else the one that the name promises, else its own."""
        if self.settings.format is not None:
            return format_named(self.settings.format)
        return format_of_path(photo.path) or photo.format

    def change(self, photo: Photo, progress: Callable[[float], None] | None = None) -> tuple[Tensor, int]:
        """Run the method on one photo: see `MethodRunner.change`."""
        saved_as = output_settings(photo, format=self.format_for(photo), quality=self.settings.quality)
        return self.runner.change(photo, saved_as, self.targets.photos if self.targets else None, progress)


def protect_photo(
    photo: Photo, protector: Protector, *, progress: Callable[[float], None] | None = None, start: float | None = None
) -> Protected:
    """Protect one photo, encode it, and judge what was encoded.

    Args:
        photo: the photo as it was decoded.
        protector: method, surrogates and searchers.
        progress: called at each step with the share of the work that is done, in [0, 1]; an exception that it raises
            ends the work.
        start: the reading of `time.perf_counter` from which the report's seconds count; now when None.

    Raises:
        PhotoError: if the photo is too small, or its format cannot hold the result. The other errors of `ONE_PHOTO`,
            such as a lack of memory, are left to the caller, who knows whether to try again.
    """
    start = time.perf_counter() if start is None else start
    settings, format_ = protector.settings, protector.format_for(photo)
    with torch.inference_mode(mode=False), torch.enable_grad():
        pixels, steps = protector.change(photo, progress)
        data = encode_photo(
            photo, pixels, format=format_, quality=settings.quality, keep_location=settings.keep_location
        )
        saved = decode_photo(data, photo.path)
        report = _judge(photo, saved, protector, steps, start)
    return Protected(data, format_, report)


def _judge(photo: Photo, saved: Photo, protector: Protector, steps: int, start: float) -> ProtectReport:
    """Search with the original for the photo as it was decoded from the encoded file."""
    settings, runner = protector.settings, protector.runner
    found = audit(photo.pixels, saved.pixels, protector.searchers, protector.transforms)
    close = fidelity(photo.pixels, saved.pixels)
    notes = [*photo.notes, *(searcher.note for searcher in protector.searchers if searcher.note)]
    if found.gallery_photos < FIRST_RESULTS:
        held = found.gallery_photos
        notes.append(f"the gallery holds {held} photos: too few to be beyond the first {FIRST_RESULTS} results")
    keypoints = None
    if "bovw-he" in protector.names:
        counted = asdict(keypoint_report(photo.pixels, saved.pixels))
        keypoints = {name: counted[name] for name in ("before", "after", "kept", "new", "removal_rate")}
    return ProtectReport(
        input=str(photo.path),
        output=str(photo.path),
        method=runner.method.name,
        encoders=protector.names,
        budget=runner.budget,
        norm=settings.norm,
        steps=steps,
        seconds=round(time.perf_counter() - start, 3),
        width=photo.pixels.shape[2],
        height=photo.pixels.shape[1],
        linf=close.linf,
        psnr=close.psnr,
        ssim=close.ssim,
        hidden=found.hidden,
        hidden_unseen=found.hidden_unseen,
        gallery="reference" if settings.gallery is None else str(settings.gallery),
        gallery_photos=found.gallery_photos,
        per_encoder=found.encoders,
        keypoints=keypoints,
        verdict=found.verdict,
        notes=tuple(notes),
    )
