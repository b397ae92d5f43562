"""recessive index."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from recessive.cli.output import FAILED, bar, print_error, print_json, print_text

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
    scales: tuple[float, ...] = (),
    overwrite: bool = False,
    json: bool = False,
) -> int:
    """Index the photos below a folder, so that they can be searched as a searcher would.

    An encoder describes each photo. The index holds the descriptions, the names of the photos, and all that a search
    needs to describe a query in the same way. `recessive search` searches it.

      recessive index holiday --encoder bovw-he --out holiday.index
      recessive search holiday.index beach.jpg

    Photos can be described by:

      bovw          visual words of local features (SIFT), and how often each of them occurs
      bovw-he       the same with Hamming Embedding, which also compares features within a word
      bovw-burst    the same, with less weight for structures that repeat themselves
      cedd          colours and edges
      gist          the layout of a scene; gist-colour adds its colours
      gem:NETWORK   a network at the photo's own size, such as gem:conv, pooled
                    by gem, mac, spoc or r-mac; or a file of cnnimageretrieval
      NAME          an encoder that `recessive encoders` lists, such as conv-gem
      FILE          a hash network that `recessive train` made

    Visual words find the same object in other photos, or a part of a photo. They depend on detail: a photo without
    local features is never found.

    Running the command again updates the index: unchanged photos are not described again. After an interruption, it
    continues where it stopped. Photos that cannot be read are printed and left out, and make the exit status 1.

    Args:
        folder: Folder of photos, including all folders below it.
        encoder: What describes the photos; see above.
        out: File for the index.
        words: Train a vocabulary of this many visual words on these photos, and store it in the index. 1000 is enough
            for a thousand photos, 20000 for a hundred thousand. By default, the vocabulary that comes with the program.
        vocabulary: File of a saved vocabulary to use in place of the one that comes with the program.
        scales: Sizes, relative to the photo's own, at which a network such as gem:conv describes each photo. 1 0.7071
            0.5 is better and slower than 1, the default.
        overwrite: Replace --out, whatever it is, by an index made from scratch.
        json: Print one JSON object on stdout.
    """
    from recessive.indexing import index_photos

    with _bars() as (learning, describing):
        report = index_photos(
            folder,
            out,
            encoder,
            words=words,
            vocabulary=vocabulary,
            scales=scales or None,
            overwrite=overwrite,
            learning=learning,
            progress=describing,
            on_error=print_error,
        )
    if json:
        print_json(report)
    else:
        print_text(_text(report))
    return FAILED if report.failed else 0


def _text(report: IndexReport) -> str:
    """Return what a person reads."""
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
    """Show one bar for the photos that words are learnt from and one for those that are described, once they begin."""
    from rich.progress import MofNCompleteColumn

    with bar(MofNCompleteColumn()) as progress:

        def shown(label: str) -> Callable[[int, int], None]:
            task = progress.add_task(label, total=None, visible=False)
            return lambda done, total: progress.update(task, completed=done, total=total, visible=True)

        yield [shown("learning visual words"), shown("describing")]
