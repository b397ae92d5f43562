"""recessive protect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from recessive.cli.output import FAILED, WRONG_USE, complain, complain_of_options, print_json, progress_bar, say

if TYPE_CHECKING:
    from recessive.workflows import ProtectReport


def protect(
    photos: Annotated[list[Path], Parameter(name="PHOTO", consume_multiple=True)],
    /,
    *,
    out: Path = Path("protected"),
    method: str = "vanish",
    encoder: Annotated[list[str] | None, Parameter(name="--encoder", consume_multiple=True, negative="")] = None,
    budget: float | None = None,
    norm: Literal["linf", "l2"] = "linf",
    steps: int | None = None,
    survive: Annotated[list[str] | None, Parameter(name="--survive", consume_multiple=True, negative="")] = None,
    grid: int = 1024,
    seed: int = 0,
    format: str | None = None,  # noqa: A002 - the option's name
    quality: int | None = None,
    keep_location: Annotated[bool, Parameter(negative="")] = False,
    gallery: Path | None = None,
    sample: Path | None = None,
    label: str | None = None,
    target: Annotated[list[Path] | None, Parameter(name="--target", consume_multiple=True, negative="")] = None,
    device: str | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Protect photos, and say honestly what searches still find.

    Each photo is changed by at most --budget (lossy formats such as JPEG add their own loss), saved under its own name
    in --out, read again, and searched for with the original. Location (GPS) is removed. Photos that are done already,
    with the same settings, are skipped.

      recessive protect holiday/*.jpg --out protected

    Some methods need more than the photo; `recessive methods` says which. Classes come from a folder of photos with one
    folder a class, and the photos to protect are all of one of them:

      recessive protect beach.jpg --method METHOD --sample album --label beach

    Targets are what the photos shall be taken for, one photo or several of one kind:

      recessive protect beach.jpg --method METHOD --target album/mountain

    Parameters
    ----------
    photos
        Photos: JPEG, PNG, WebP, TIFF, AVIF; HEIC with the extra "heif".
    out
        Folder for the protected photos.
    method
        How to protect; see `recessive methods`.
    encoder
        Bundled encoders to protect against; see `recessive encoders`. By default all of them that are optimised
        against by default and fit the method.
    budget
        Largest change, in 1/255: 8 is hard to see, 16 shows on smooth skies, 0 changes nothing. By default the
        method's.
    norm
        Whether the budget bounds each value (linf) or the root-mean-square change (l2).
    steps
        Steps of the search; more take longer and protect better. By default the method's.
    survive
        What a platform may do to the photo that it should stay hidden after: jpeg:75 resize:0.5 crop:0.9
        bit-depth:5 blur:1 noise:4. Each makes the search slower. Name the photos before this option.
    grid
        The change lives on a grid of so many pixels on the long side; larger photos get it enlarged smoothly. Methods
        that need no gradients work at the photo's own size.
    seed
        Of all that is random.
    format
        Of the saved file: jpeg, png, webp, tiff, avif, heif. By default that of the photo.
    quality
        1 to 100 for lossy formats. By default at least 90, so that the file keeps the change.
    keep_location
        Leave the GPS position in the file.
    gallery
        Folder of photos that the check searches, for instance what you have posted already. By default the bundled
        reference gallery.
    sample
        Folder of photos of yours that the method may learn from: the more like those that are searched, the better.
        With one folder a class they are labelled by its name. By default the bundled owner's sample, without classes.
    label
        What the photos show, for methods that need it: the name of a folder in --sample.
    target
        What the photos shall be taken for, for methods that need it: a photo, several of one kind, or a folder of them.
        Name the photos to protect before this option.
    device
        Where to compute: cpu or cuda. By default a GPU where there is one. The check runs on the CPU.
    precision
        bfloat16 takes about half the time on processors that compute with it; the check has float32 in any case.
    overwrite
        Replace files in --out that were made with other settings.
    json
        One JSON object a photo on stdout.
    """
    from pydantic import ValidationError

    from recessive.workflows import (
        Failure,
        Protector,
        ProtectSettings,
        SettingsError,
        protect_photos,
    )

    try:
        settings = ProtectSettings(
            method=method,
            encoders=tuple(encoder) if encoder else None,
            budget=budget,
            norm=norm,
            steps=steps,
            survive=tuple(survive or ()),
            grid=grid,
            seed=seed,
            format=format,
            quality=quality,
            keep_location=keep_location,
            gallery=gallery,
            sample=sample,
            label=label,
            target=tuple(target or ()),
            device=device,
            precision=precision,
        )
        with progress_bar("reading photos") as reading:
            protector = Protector(settings, progress=reading, complain=complain)
    except ValidationError as error:
        complain_of_options(error)
        return WRONG_USE
    except SettingsError as error:
        complain(error)
        return WRONG_USE

    against = "the encoders they were optimised against" if protector.names else "all encoders that searched"
    counts = {"protected": 0, "skipped": 0, "failed": 0, "hidden": 0}
    try:
        with progress_bar("protecting") as protecting:
            for done, result in enumerate(protect_photos(photos, out, protector, overwrite=overwrite), 1):
                protecting(done, len(photos))
                if isinstance(result, Failure):
                    counts["failed"] += 1
                    complain(result.error)
                else:
                    counts["skipped" if result.skipped else "protected"] += 1
                    counts["hidden"] += bool(result.hidden if protector.names else result.hidden_unseen)
                    if not json:
                        say(_line(result))
                if json:
                    print_json(result)
    except SettingsError as error:
        complain(error)
        return WRONG_USE
    finally:
        if len(photos) > 1 and any(counts.values()):
            complain(
                f"{counts['protected']} protected, {counts['skipped']} done before, {counts['failed']} failed; "
                f"{counts['hidden']} hidden from {against}"
            )
    return FAILED if counts["failed"] else 0


def _line(report: ProtectReport) -> str:
    """What a person reads about one photo."""
    fidelity = f"SSIM {report.ssim:.3f}, largest change {report.linf:g}/255"
    when = "done before" if report.skipped else f"{report.seconds:.1f} s"
    notes = "".join(f"\n  {note}" for note in report.notes)
    local = ""
    if report.keypoints is not None:
        counts = {name: f"{count:g}" for name, count in report.keypoints.items()}
        local = "; keypoints {before} before, {after} after, {kept} of them kept, {new} new".format(**counts)
    return f"{report.output}: {report.verdict}\n  {fidelity}{local}, {when}{notes}"
