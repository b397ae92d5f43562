"""recessive index."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, WRONG_USE, bar, complain, print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recessive.indexing import IndexReport


def index(
    folder: Annotated[Path, Parameter(name="DIR")],
    /,
    *,
    encoder: str = "conv-gem",
    out: Path = Path("photos.index"),
    words: int | None = None,
    vocabulary: Path | None = None,
    scales: Annotated[list[float] | None, Parameter(consume_multiple=True, negative="")] = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Index the photos below a folder, so that they can be searched as a searcher would.

    Each photo is described by an encoder; the index holds what it gave, the names of the photos, and all that a search
    needs to describe a query alike. `recessive search` searches it.

      recessive index holiday --encoder bovw-he --out holiday.index
      recessive search holiday.index beach.jpg

    What describes photos:

      bovw          visual words of local features (SIFT), and how often each occurs
      bovw-he       the same by Hamming Embedding, which compares within words
      bovw-burst    the same, but structures that repeat themselves count less
      cedd          colours and edges
      gist          the layout of a scene; gist-colour with its colours
      gem:NETWORK   a network at the photo's own size, such as gem:conv, pooled
                    by gem, mac, spoc or r-mac; or a file of cnnimageretrieval
      NAME          of `recessive encoders`, such as conv-gem and conv-hash
      FILE          a hash network that `recessive train` made

    Visual words find the same thing in other photos, or a part of a photo. They want detail: a photo without local
    features is found by none.

    Running again brings an index up to date: photos that have not changed are not described again. An interrupted run
    goes on where it was. Photos that cannot be read are said, left out, and make the exit status 1.

    Parameters
    ----------
    folder
        Of photos, and of folders of photos.
    encoder
        What describes the photos.
    out
        The index.
    words
        Train a vocabulary of so many visual words on these photos, and keep it in the index: 1000 will do for a
        thousand photos, 20000 for a hundred thousand. By default the bundled vocabulary.
    vocabulary
        A file that a vocabulary was saved to, in place of the bundled one.
    scales
        Sides at which a network such as gem:conv sees each photo, times its own: 1 0.7071 0.5 is better and slower
        than 1, the default.
    overwrite
        Replace --out, whatever it is, with an index from scratch.
    json
        One JSON object on stdout.
    """
    from recessive.encoders import EncoderError
    from recessive.errors import SettingsError
    from recessive.galleries.index_file import IndexFileError
    from recessive.indexing import index_photos

    try:
        with _bars() as (learning, describing):
            report = index_photos(
                folder,
                out,
                encoder,
                words=words,
                vocabulary=vocabulary,
                scales=scales,
                overwrite=overwrite,
                learning=learning,
                progress=describing,
                on_error=complain,
            )
    except SettingsError as error:
        complain(error)
        return WRONG_USE
    except (EncoderError, IndexFileError) as error:
        complain(error)
        return FAILED
    if json:
        print_json(report)
    else:
        say(_text(report))
    return FAILED if report.failed else 0


def _text(report: IndexReport) -> str:
    """What a person reads."""
    counts = [f"{report.described} described", f"{report.kept} unchanged"]
    counts += [f"{report.dropped} dropped"] if report.dropped else []
    counts += [f"{report.failed} failed"] if report.failed else []
    lines = [
        f"{report.out}: {report.photos} photos of {report.folder} by {report.encoder}",
        f"  {', '.join(counts)}; {report.bytes / 1e6:.1f} MB, {report.seconds:.1f} s",
    ]
    if report.without_features:
        lines.append(f"  {report.without_features} have no local features: nothing finds them by visual words")
    return "\n".join(lines)


@contextmanager
def _bars() -> Iterator[list[Callable[[int, int], None]]]:
    """A bar for the photos that words are learnt from and one for those that are described, each when it begins."""
    from rich.progress import MofNCompleteColumn

    with bar(MofNCompleteColumn()) as progress:

        def shown(label: str) -> Callable[[int, int], None]:
            task = progress.add_task(label, total=None, visible=False)
            return lambda done, total: progress.update(task, completed=done, total=total, visible=True)

        yield [shown("learning visual words"), shown("describing")]
