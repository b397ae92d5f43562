"""recessive audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import encoders_are_options, print_error, print_json, progress_bar
from recessive.options import AuditOptions, check

if TYPE_CHECKING:
    from recessive.workflows import AuditReport

_DEFAULTS = AuditOptions()


def audit(
    original: Path,
    protected: Path,
    /,
    *,
    options: Annotated[AuditOptions, Parameter(name="*")] = _DEFAULTS,
    json: bool = False,
) -> int:
    """Search for a protected photo with its original, whoever protected it.

    For each encoder, the result tells at which rank the original finds the protected photo among the photos of the
    gallery, and how many of those would return it. A photo is hidden if it is not among the first ten results.

    Args:
        original: The photo before it was protected.
        protected: The photo as it would be posted.
        json: Print one JSON object on stdout.
    """
    from recessive.workflows import audit_photos

    options = check(options)
    with encoders_are_options(), progress_bar("reading the gallery") as reading:
        report = audit_photos(
            original,
            protected,
            encoders=options.encoder,
            gallery=options.gallery,
            survive=options.survive,
            progress=reading,
            on_error=print_error,
        )
    if json:
        print_json(report)
    else:
        _print(report)
    return 0


def _print(report: AuditReport) -> None:
    """Print what a person reads."""
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
