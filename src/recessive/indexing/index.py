"""Index a folder of photos, so that it can be searched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from recessive import __version__
from recessive.encoders.features.vocabulary import Vocabulary
from recessive.errors import SettingsError
from recessive.files import make_folder
from recessive.galleries.index_file import IndexFile, IndexFileError, read_index, write_index
from recessive.indexing.card import IndexCard
from recessive.indexing.described import Keeping, Known, PhotoFile, describe_photos, stamped_files
from recessive.indexing.unfinished import Unfinished
from recessive.indexing.vocabulary import own_vocabulary
from recessive.photos import PhotoError, format_of_path
from recessive.searchers.describers import search_encoder, stored_vocabulary, vocabulary_arrays
from recessive.searchers.settings import EncoderSettings, encoder_settings
from recessive.visual_words import VisualWords


@dataclass(frozen=True)
class IndexReport:
    """What was indexed.

    Attributes:
        out: the index.
        folder: whose photos it holds.
        encoder: what described them, with its options.
        digest: of that; a search needs the same.
        photos: how many it holds.
        described: how many of them were described now.
        kept: how many were not, as they are unchanged since an earlier or an interrupted run.
        dropped: how many the earlier index held that are no longer there.
        failed: how many could not be read or described, and are left out.
        without_features: how many of `photos` have no local features, so that nothing finds them; 0 where an encoder
            needs none.
        words: size of the visual vocabulary; None without one.
        bytes: size of the index.
        seconds: how long it took.
    """

    out: str
    folder: str
    encoder: str
    digest: str
    photos: int
    described: int
    kept: int
    dropped: int
    failed: int
    without_features: int
    words: int | None
    bytes: int
    seconds: float


def index_photos(
    folder: Path,
    out: Path,
    encoder: str,
    *,
    words: int | None = None,
    vocabulary: Path | None = None,
    scales: Sequence[float] | None = None,
    overwrite: bool = False,
    learning: Callable[[int, int], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[PhotoError], None] | None = None,
) -> IndexReport:
    """Describe all photos below a folder, on all cores, and write them as an index.

    Where the index is there already, made of the same folder by the same encoder, it is brought up to date: photos of
    unchanged size and time are not described again. What is described is kept beside the index until that is written,
    so that an interrupted run, even one that is killed, goes on where it was. Photos that cannot be read are told of,
    left out, and listed in the index.

    Args:
        folder: of photos.
        out: the index.
        encoder: what describes the photos, see `recessive.searchers.settings`.
        words: for a bag of words: train a vocabulary of so many words on these photos. It stays the same when the index
            is brought up to date.
        vocabulary: for a bag of words: a file that a vocabulary was saved to. Without either, the bundled one.
        scales: for networks at the photo's own size: sides that it is seen at, times its own.
        overwrite: replace what is called `out`, whatever it is, without looking at it.
        learning: told how many of how many photos are read to train a vocabulary on.
        progress: told how many of how many photos are described.
        on_error: told of photos that are left out.

    Raises:
        SettingsError: an unknown encoder, options that do not fit it, no photos, too few for a vocabulary of that
            size, or an `out` that is something else.
        EncoderError: weights or a vocabulary cannot be had.
        IndexFileError: the index cannot be written, or the one that is there is damaged.
    """
    begin = time.perf_counter()
    settings = encoder_settings(encoder, words=words, vocabulary=vocabulary, scales=scales)
    files = stamped_files(folder)
    _check_out(out)
    where = os.path.abspath(folder)  # noqa: PTH100 - follows no links
    earlier = None if overwrite else _earlier(out, settings, where)
    unfinished = Unfinished(out, {"settings": settings.to_json(), "folder": where})
    describer = search_encoder(settings, _vocabulary(settings, files, out, earlier, unfinished, learning))
    if earlier is not None and earlier.card["digest"] != describer.digest:
        raise SettingsError(
            f"{out} was made by another version of {settings} (digest {earlier.card['digest'][:12]}, now "
            f"{describer.digest[:12]}); use --overwrite to index again, or another --out"
        )
    known = Known(describer, [*([earlier] if earlier else []), *unfinished.parts(describer.digest)])
    new = [file for file in files if file not in known]
    first = len(files) - len(new)

    def tell(done: int) -> None:
        if progress is not None:
            progress(first + done, len(files))

    tell(0)
    with Keeping(describer, unfinished) as keeping:
        described, wrong = describe_photos(new, describer, keeping, progress=tell, on_error=on_error)
    held, failed = [file for file in files if file.name not in wrong], tuple(wrong.items())
    if not held:
        raise SettingsError(f"{folder}: holds no photo that can be read")
    names, stamps = tuple(file.name for file in held), np.array([file.stamp for file in held], np.int64)
    if (
        earlier is not None
        and (earlier.names, earlier.failed) == (names, failed)
        and np.array_equal(earlier.stamps, stamps)
    ):
        card, size = IndexCard.of(out, earlier), out.stat().st_size  # nothing has changed
    else:
        items = [described[file.name] if file.name in described else known[file] for file in held]
        card = IndexCard(
            settings=settings,
            digest=describer.digest,
            folder=where,
            photos=len(held),
            failed=len(failed),
            without_features=sum(isinstance(item, VisualWords) and not len(item) for item in items),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            recessive=__version__,
        )
        words_of = vocabulary_arrays(describer.vocabulary)
        arrays = describer.kind.arrays(items)
        size = write_index(out, IndexFile(card.to_json(), names, stamps, arrays, words_of, failed))
    unfinished.remove()
    return IndexReport(
        out=str(out),
        folder=str(folder),
        encoder=str(settings),
        digest=describer.digest,
        photos=len(held),
        described=len(described),
        kept=len(held) - len(described),
        dropped=0 if earlier is None else len(set(earlier.names) - {file.name for file in files}),
        failed=len(failed),
        without_features=card.without_features,
        words=None if describer.vocabulary is None else len(describer.vocabulary),
        bytes=size,
        seconds=round(time.perf_counter() - begin, 3),
    )


def _check_out(out: Path) -> None:
    if format_of_path(out) is not None:
        raise SettingsError(f"--out {out} is named as a photo; name it as an index, such as photos.index")
    if out.is_dir():
        raise SettingsError(f"--out {out} is a folder; name a file in it")
    make_folder(out.parent)


def _earlier(out: Path, settings: EncoderSettings, folder: str) -> IndexFile | None:
    """The index that is there and is to be brought up to date.

    Raises:
        SettingsError: what is there is something else.
    """
    if not os.path.lexists(out):
        return None
    try:
        found = read_index(out)
        card = IndexCard.of(out, found)
    except IndexFileError as error:
        raise SettingsError(f"{error}; use --overwrite to replace it, or another --out") from error
    if card.settings != settings:
        raise SettingsError(f"{out} was made by {card.settings}, not by {settings}; use --overwrite, or another --out")
    if card.folder != folder:
        raise SettingsError(f"{out} is an index of {card.folder}, not of {folder}; use --overwrite, or another --out")
    return found


def _vocabulary(
    settings: EncoderSettings,
    files: Sequence[PhotoFile],
    out: Path,
    earlier: IndexFile | None,
    unfinished: Unfinished,
    learning: Callable[[int, int], None] | None,
) -> Vocabulary | None:
    """The photos' own vocabulary: that of the index, or of an interrupted run, or a new one; None if not asked for."""
    if settings.words is None:
        return None
    found = unfinished.vocabulary() if earlier is None else stored_vocabulary(out, earlier)
    if found is None:
        found = own_vocabulary(settings.words, files, learning)
        unfinished.keep_vocabulary(found)
    return found
