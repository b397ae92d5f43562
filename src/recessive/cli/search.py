"""recessive search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, WRONG_USE, complain, print_json, say

if TYPE_CHECKING:
    from recessive.indexing import SearchReport


def search(
    index: Path,
    photos: Annotated[list[Path], Parameter(name="PHOTO", consume_multiple=True)],
    /,
    *,
    k: Annotated[int, Parameter(name="-k")] = 10,
    box: Annotated[tuple[float, float, float, float] | None, Parameter(negative="")] = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Search an index with a photo: what a searcher would find.

    The photo is described as those of the index were, whatever described them, and the most similar ones are listed.
    Search with a protected photo to see whether its original is found:

      recessive index holiday --encoder bovw-he --out holiday.index
      recessive search holiday.index protected/beach.jpg

    The score is at most 1, and the higher, the more alike; the distance is the encoder's own. Visual words (bovw) list
    only photos that share some with the query.

    Parameters
    ----------
    index
        Made by `recessive index`.
    photos
        One photo, or several, each a search of its own. They need not be in the index.
    k
        How many results.
    box
        Search with a part of the photo: its left, top, right and bottom edge in pixels.
    json
        One JSON object a photo on stdout.
    """
    from recessive.errors import SettingsError
    from recessive.galleries.index_file import IndexFileError
    from recessive.indexing import PhotoIndex
    from recessive.photos import PhotoError

    failed = False
    try:
        opened = PhotoIndex(index)
        for photo in photos:
            try:
                report = opened.search(photo, k, box)
            except PhotoError as error:
                failed = True
                complain(error)
                continue
            if json:
                print_json(report)
            else:
                say(_text(report))
    except SettingsError as error:
        complain(error)
        return WRONG_USE
    except IndexFileError as error:
        complain(error)
        return FAILED
    return FAILED if failed else 0


def _text(report: SearchReport) -> str:
    """What a person reads."""
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
