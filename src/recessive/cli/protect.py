"""recessive protect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, encoders_are_options, print_error, print_json, print_text, progress_bar
from recessive.options import ProtectOptions

if TYPE_CHECKING:
    from recessive.workflows import Protector, ProtectReport

DEFAULTS = ProtectOptions()


def protect(
    photos: Annotated[list[Path], Parameter(name="PHOTO")],
    /,
    *,
    out: Path = Path("protected"),
    options: Annotated[ProtectOptions, Parameter(name="*")] = DEFAULTS,
    overwrite: bool = False,
    json: bool = False,
) -> int:
    """Protect photos from searches, and report honestly what still finds them.

    Each photo is changed a little, by at most --budget, and saved under its own name in the folder --out, without its
    location (GPS). The saved file is then read again and searched for with the original. Photos that have been
    protected before, with the same options, are skipped.

      recessive protect holiday/*.jpg --out protected

    Name the photos before options that take several values, such as --survive.

    Some methods need more than the photo; `recessive methods` says which. For those that need classes, name a folder
    of photos with one subfolder per class; the photos to protect all belong to one of the classes:

      recessive protect beach.jpg --method METHOD --sample album --label beach

    For those that need a target, name what the photos are to be taken for, one photo or several of one kind:

      recessive protect beach.jpg --method METHOD --target album/mountain

    Args:
        photos: Photos to protect: JPEG, PNG, WebP, TIFF or AVIF; also HEIC with the extra "heif".
        out: Folder for the protected photos.
        overwrite: Replace files in --out that were made with other options.
        json: Print one JSON object per photo on stdout.
    """
    from recessive.workflows import Failure, protect_photos

    protector = make_protector(options)
    against = "the encoders they were optimised against" if protector.names else "all encoders that searched"
    counts = {"protected": 0, "skipped": 0, "failed": 0, "hidden": 0}
    try:
        with progress_bar("protecting") as protecting:
            for done, result in enumerate(protect_photos(photos, out, protector, overwrite=overwrite), 1):
                protecting(done, len(photos))
                if isinstance(result, Failure):
                    counts["failed"] += 1
                    print_error(result.error)
                else:
                    counts["skipped" if result.skipped else "protected"] += 1
                    counts["hidden"] += bool(result.hidden if protector.names else result.hidden_unseen)
                    if not json:
                        print_text(in_words(result))
                if json:
                    print_json(result)
    finally:
        if len(photos) > 1 and any(counts.values()):
            print_error(
                f"{counts['protected']} protected, {counts['skipped']} done before, {counts['failed']} failed; "
                f"{counts['hidden']} hidden from {against}"
            )
    return FAILED if counts["failed"] else 0


def make_protector(options: ProtectOptions) -> Protector:
    """Load what the options ask for; photos of their folders that cannot be read are printed."""
    from recessive.workflows import Protector

    with encoders_are_options(), progress_bar("reading photos") as reading:
        return Protector(options, progress=reading, on_error=print_error)


def in_words(report: ProtectReport) -> str:
    """Return what a person reads about one photo."""
    fidelity = f"SSIM {report.ssim:.3f}, largest change {report.linf:g}/255"
    when = "done before" if report.skipped else f"{report.seconds:.1f} s"
    notes = "".join(f"\n  {note}" for note in report.notes)
    local = ""
    if report.keypoints is not None:
        counts = {name: f"{count:g}" for name, count in report.keypoints.items()}
        local = "; keypoints {before} before, {after} after, {kept} of them kept, {new} new".format(**counts)
    return f"{report.output}: {report.verdict}\n  {fidelity}{local}, {when}{notes}"
