"""recessive protect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, WRONG_USE, complain, print_json, progress_bar, say
from recessive.cli.protect_options import DEFAULTS, ProtectOptions

if TYPE_CHECKING:
    from recessive.workflows import ProtectReport


def protect(
    photos: Annotated[list[Path], Parameter(name="PHOTO", consume_multiple=True)],
    /,
    *,
    out: Path = Path("protected"),
    options: ProtectOptions = DEFAULTS,
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
    overwrite
        Replace files in --out that were made with other settings.
    json
        One JSON object a photo on stdout.
    """
    from recessive.errors import SettingsError
    from recessive.workflows import Failure, protect_photos

    protector = options.protector()
    if protector is None:
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
                        say(in_words(result))
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


def in_words(report: ProtectReport) -> str:
    """What a person reads about one photo."""
    fidelity = f"SSIM {report.ssim:.3f}, largest change {report.linf:g}/255"
    when = "done before" if report.skipped else f"{report.seconds:.1f} s"
    notes = "".join(f"\n  {note}" for note in report.notes)
    local = ""
    if report.keypoints is not None:
        counts = {name: f"{count:g}" for name, count in report.keypoints.items()}
        local = "; keypoints {before} before, {after} after, {kept} of them kept, {new} new".format(**counts)
    return f"{report.output}: {report.verdict}\n  {fidelity}{local}, {when}{notes}"
