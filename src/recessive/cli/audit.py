"""recessive audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, WRONG_USE, complain, print_json, progress_bar

if TYPE_CHECKING:
    from recessive.workflows import AuditReport


def audit(
    original: Path,
    protected: Path,
    /,
    *,
    gallery: Path | None = None,
    encoder: Annotated[list[str] | None, Parameter(name="--encoder", consume_multiple=True, negative="")] = None,
    survive: Annotated[list[str] | None, Parameter(name="--survive", consume_multiple=True, negative="")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Search for a protected photo with its original, whoever protected it.

    For each encoder: at which rank, among the gallery, the original finds the protected photo, and how many gallery
    photos would return it. Hidden means: not among the first ten results.

    Parameters
    ----------
    original
        The photo as it was.
    protected
        The photo as it would be posted.
    gallery
        Folder of photos to search; by default the bundled reference gallery.
    encoder
        Who searches: bundled encoders, bovw-he, cedd, gist; see `recessive encoders`. By default all of them.
    survive
        Ask again after what a platform may do to the photo, such as jpeg:75 resize:0.5.
    json
        One JSON object on stdout.
    """
    from recessive.encoders import EncoderError
    from recessive.photos import PhotoError
    from recessive.workflows import audit_photos

    try:
        with progress_bar("reading the gallery") as reading:
            report = audit_photos(
                original,
                protected,
                encoders=encoder or (),
                gallery=gallery,
                survive=survive or (),
                progress=reading,
                on_error=complain,
            )
    except PhotoError as error:
        complain(error)
        return FAILED
    except (EncoderError, ValueError) as error:
        complain(error)
        return WRONG_USE
    if json:
        print_json(report)
    else:
        _print(report)
    return 0


def _print(report: AuditReport) -> None:
    """What a person reads."""
    print(report.verdict)
    if report.ssim is not None:
        print(f"SSIM {report.ssim:.3f}, largest change {report.linf:g}/255")
    print(f"{'encoder':18}{'optimised against':>18}{'rank':>8}{'distance':>10}{'found by, before':>18}{'after':>7}")
    for entry in report.encoders:
        seen = "yes" if entry.seen else "no"
        print(
            f"{entry.name:18}{seen:>18}{entry.rank_after:>8}{entry.distance_after:>10.3g}"
            f"{entry.found_by_before:>18}{entry.found_by_after:>7}"
        )
        for name, kept in entry.survives.items():
            print(f"  after {name}: {'hidden' if kept else 'FOUND'}")
    sizes = dict.fromkeys(str(entry.gallery_photos) for entry in report.encoders)
    of_those = f", by {report.encoders[-1].name} {list(sizes)[-1]}" if len(sizes) > 1 else ""
    print(f"rank among {next(iter(sizes))} photos of the {report.gallery} gallery{of_those}; 1 is found at once")
