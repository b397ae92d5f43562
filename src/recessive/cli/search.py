"""recessive search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import print_json, print_text, report_error

if TYPE_CHECKING:
    from recessive.indexing import SearchReport


def search(
    index: Path,
    photos: Annotated[list[Path], Parameter(name="PHOTO")],
    /,
    *,
    k: Annotated[int, Parameter(name="-k")] = 10,
    box: tuple[float, float, float, float] | None = None,
    json: bool = False,
) -> int:
    """Search an index with a photo, as a searcher would.

    The photo is described in the same way as those of the index, and the most similar ones are listed. To see whether
    a protected photo leads to its original, search with it:

      recessive index holiday --encoder bovw-he --out holiday.index
      recessive search holiday.index protected/beach.jpg

    The score is at most 1; the higher it is, the more alike are the photos. The distance is the encoder's own. Visual
    words (bovw) list only photos that share words with the query.

    Args:
        index: File that `recessive index` made.
        photos: Photos to search with, one after another. They need not be in the index.
        k: Number of results.
        box: Search with a part of the photo: its left, top, right and bottom edge in pixels.
        json: Print one JSON object per photo on stdout.
    """
    from recessive.errors import PhotoError
    from recessive.indexing import PhotoIndex

    status = 0
    opened = PhotoIndex(index)
    for photo in photos:
        try:
            report = opened.search(photo, k, box)
        except PhotoError as error:
            status = report_error(error)
            continue
        if json:
            print_json(report)
        else:
            print_text(_text(report))
    return status


def _text(report: SearchReport) -> str:
    """Return what a person reads."""
    from recessive.errors import readable

    part = "" if report.box is None else f" ({' '.join(f'{edge:g}' for edge in report.box)})"
    lines = [
        f"{readable(Path(report.photo))}{part}: {len(report.results)} of {report.photos} photos, by {report.encoder}; "
        f"described in {report.describing_seconds:.3f} s, searched in {report.searching_seconds:.3f} s",
        *(f"  {note}" for note in report.notes),
    ]
    if report.results:
        lines.append(f"{'rank':>6}{'score':>8}{'distance':>10}  photo")
    rows = [
        f"{found.rank:>6}{found.score:>8.4f}{found.distance:>10.4f}  {readable(Path(found.path))}"
        for found in report.results
    ]
    return "\n".join([*lines, *rows])
