"""recessive private-query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import encoders_are_options, print_error, print_json, print_text, progress_bar
from recessive.options import PrivateQueryOptions

if TYPE_CHECKING:
    from recessive.workflows import PrivateQueryReport

_DEFAULTS = PrivateQueryOptions()


def private_query(
    private: Path,
    /,
    *,
    carrier: Path,
    out: Path = Path("query.png"),
    options: Annotated[PrivateQueryOptions, Parameter(name="*")] = _DEFAULTS,
    overwrite: bool = False,
    json: bool = False,
) -> int:
    """Search with a photo that does not show what you are looking for.

    The carrier, a photo that anybody may see, is changed a little, by at most --budget, so that a search with it
    returns what a search with the private photo would. Upload the result in its place: the private photo never leaves
    this machine. What it returns is checked on the saved file, against the first results of the private photo and of
    the carrier as it was.

      recessive private-query passport.jpg --carrier cat.jpg --encoder conv-gem --out query.png

    The query works with the encoders that it was optimised against, and the better the fewer there are: name the one
    that the service searches with. Note that the service learns what the query returns, and so what kind of photo you
    look for.

    Args:
        private: The photo whose results you want. It is only read.
        carrier: The photo that the query will look like. Its location (GPS) is removed.
        out: File for the query. Its name sets the format: JPEG, PNG, WebP, TIFF, AVIF or HEIC. PNG is best, since it
            loses nothing.
        overwrite: Replace --out.
        json: Print one JSON object on stdout.
    """
    from recessive.workflows import make_private_query

    with encoders_are_options(), progress_bar("reading photos") as reading:
        report = make_private_query(
            private, carrier, out, options, overwrite=overwrite, progress=reading, on_error=print_error
        )
    if json:
        print_json(report)
    else:
        print_text(_text(report))
    return 0


def _text(report: PrivateQueryReport) -> str:
    """Return what a person reads."""
    near = "" if report.ssim is None else f"SSIM {report.ssim:.3f} to the carrier, "
    lines = [
        f"{report.output}: {report.verdict}",
        f"  {near}largest change {report.linf:g}/255, {report.seconds:.1f} s",
        *(f"  {note}" for note in report.notes),
        f"{'encoder':18}{'optimised against':>18}{'carrier finds':>15}{'query finds':>13}{'still the carrier':>19}"
        f"{'distance':>10}{'after':>7}",
    ]
    for entry in report.per_encoder:
        seen = "yes" if entry.seen else "no"
        lines.append(
            f"{entry.name:18}{seen:>18}{entry.shared_before:>15}{entry.shared:>13}{entry.carriers:>19}"
            f"{entry.distance_before:>10.3g}{entry.distance_after:>7.3g}"
        )
    lines.append(
        f"how many of the first {report.first} results of the private photo (by chance {report.by_chance:.2g}), and "
        f"of the carrier, among {report.gallery_photos} photos of the {report.gallery} gallery"
    )
    return "\n".join(lines)
