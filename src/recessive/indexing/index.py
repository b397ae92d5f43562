"""Build an index of a folder of photos, or bring it up to date."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recessive import __version__
from recessive.encoders import SIFT, Vocabulary, training_descriptors
from recessive.errors import SettingsError, photo_error
from recessive.files import make_folder
from recessive.galleries.index_file import IndexFile, IndexFileError, read_index, write_index
from recessive.indexing.partial import Item, PartialIndex, PhotoFile, known_items
from recessive.parallel import ordered_map
from recessive.photos import PhotoError, format_of_path, read_photo
from recessive.photos.folders import photo_files
from recessive.searchers import EncoderSettings, SearchEncoder, encoder_settings, load_describer
from recessive.searchers.describer import stored_vocabulary, vocabulary_arrays
from recessive.visual_words import VisualWords

Progress = Callable[[int, int], None]

_DESCRIPTORS_PER_WORD, _MOST_DESCRIPTORS = 100, 2_000_000  # that a vocabulary is trained on
_DESCRIPTORS_PER_PHOTO, _FEWEST_PHOTOS = 100, 1000  # expected of a photo, at least; read for a vocabulary in any case


@dataclass(frozen=True)
class IndexReport:
    """The result of indexing a folder.

    Attributes:
        out: the path of the index.
        folder: the folder of the photos.
        encoder: the encoder that described them, with its options.
        digest: the digest of the encoder; a search needs the same.
        photos: the number of photos in the index.
        described: how many of them were described in this run.
        kept: how many were not, because they are unchanged since an earlier or an interrupted run.
        dropped: how many the earlier index held that are no longer in the folder.
        failed: how many could not be read or described, and are left out.
        without_features: how many of `photos` have no local features, so that no search finds them; 0 where the encoder
            needs none.
        words: the size of the visual vocabulary; None without one.
        bytes: the size of the index.
        seconds: the time that indexing took.
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


@dataclass(frozen=True)
class IndexCard:
    """How and when an index was built.

    Attributes:
        settings: the settings of the encoder.
        digest: the digest of the encoder; encoders with the same digest describe alike.
        folder: the absolute path of the indexed folder.
        photos: the number of photos in the index.
        failed: how many could not be read or described.
        without_features: how many of `photos` have no local features; 0 where the encoder needs none.
        made: the time in UTC.
        recessive: the version of this package.
    """

    settings: EncoderSettings
    digest: str
    folder: str
    photos: int
    failed: int
    without_features: int
    made: str
    recessive: str

    @classmethod
    def of(cls, path: Path, index: IndexFile) -> IndexCard:
        """The card of an index that was read from a path.

        Raises:
            IndexFileError: if the card is incomplete.
        """
        try:
            card = {name: index.card[name] for name in cls.__dataclass_fields__}
            return cls(**{**card, "settings": EncoderSettings.of_json(card["settings"])})
        except (LookupError, TypeError) as error:
            raise IndexFileError(f"{path}: is damaged: its card is incomplete ({error})") from error


def index_photos(
    folder: Path,
    out: Path,
    encoder: str,
    *,
    words: int | None = None,
    vocabulary: Path | None = None,
    scales: Sequence[float] | None = None,
    overwrite: bool = False,
    learning: Progress = lambda *_: None,
    progress: Progress = lambda *_: None,
    on_error: Callable[[PhotoError], None] = lambda _: None,
) -> IndexReport:
    """Describe all photos below a folder, on all cores, and write the descriptions as an index.

    An existing index of the same folder by the same encoder is brought up to date: photos of unchanged size and time
    are not described again. Descriptions are saved beside the index until it is written, so that an interrupted run,
    even a killed one, can be resumed. Photos that cannot be read are reported, left out, and listed in the index.

    Args:
        folder: the folder of photos.
        out: the path of the index.
        encoder: the name of the encoder that describes the photos, see `recessive.searchers.registry`.
        words: for a bag of words: train a vocabulary of this size on the photos themselves. It stays the same when the
            index is brought up to date.
        vocabulary: for a bag of words: the file of a saved vocabulary. With neither, the bundled one is used.
        scales: for networks that take photos at their own size: the scales at which they describe each photo.
        overwrite: whether to replace whatever is at `out` without looking at it.
        learning: called with (photos read, photos in total) while a vocabulary is trained.
        progress: called with (photos described, photos in total).
        on_error: called with the error of each photo that is left out.

    Raises:
        SettingsError: if the encoder is unknown, options do not fit it, there are no photos or too few for a vocabulary
            of that size, or `out` is something else than an index of this folder by this encoder.
        EncoderError: if weights or a vocabulary are missing.
        IndexFileError: if the index cannot be written, or the existing one is damaged.
    """
    begin = time.perf_counter()
    settings = encoder_settings(encoder, words=words, vocabulary=vocabulary, scales=scales)
    files = _photo_files(folder)
    _check_out(out)
    where = os.path.abspath(folder)  # noqa: PTH100 - follows no links
    earlier = None if overwrite else _earlier(out, settings, where)
    partial = PartialIndex(out, {"settings": settings.to_json(), "folder": where})
    describer = load_describer(settings, _vocabulary(settings, files, out, earlier, partial, learning))
    if earlier is not None and earlier.card["digest"] != describer.digest:
        raise SettingsError(
            f"{out} was made by another version of {settings} (digest {earlier.card['digest'][:12]}, now "
            f"{describer.digest[:12]}); use --overwrite to index again, or another --out"
        )
    items = known_items(describer, [*([earlier] if earlier else []), *partial.parts(describer.digest)])
    new = [file for file in files if file.key not in items]
    first = len(files) - len(new)
    errors: dict[str, str] = {}
    progress(first, len(files))
    with partial.saving(describer) as save, contextlib.closing(_described(describer, new)) as results:
        for done, (file, item) in enumerate(results, first + 1):
            if isinstance(item, PhotoError):
                errors[file.key[0]] = item.problem
                on_error(item)
            else:
                items[file.key] = item
                save(file, item)
            progress(done, len(files))
    held, failed = [file.key for file in files if file.key in items], tuple(errors.items())
    if not held:
        raise SettingsError(f"{folder}: holds no photo that can be read")
    names, stamps = tuple(key[0] for key in held), np.array([key[1:] for key in held], np.int64)
    if earlier and (earlier.names, earlier.failed) == (names, failed) and np.array_equal(earlier.stamps, stamps):
        card, size = IndexCard.of(out, earlier), out.stat().st_size  # nothing has changed
    else:
        gallery = [items[key] for key in held]
        card = IndexCard(
            settings=settings,
            digest=describer.digest,
            folder=where,
            photos=len(held),
            failed=len(failed),
            without_features=sum(isinstance(item, VisualWords) and not len(item) for item in gallery),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            recessive=__version__,
        )
        arrays, words_of = describer.kind.arrays(gallery), vocabulary_arrays(describer.vocabulary)
        size = write_index(out, IndexFile(asdict(card), names, stamps, arrays, words_of, failed))
    partial.remove()
    return IndexReport(
        out=str(out),
        folder=str(folder),
        encoder=str(settings),
        digest=describer.digest,
        photos=len(held),
        described=len(new) - len(failed),
        kept=first,
        dropped=0 if earlier is None else len(set(earlier.names) - {file.key[0] for file in files}),
        failed=len(failed),
        without_features=card.without_features,
        words=None if describer.vocabulary is None else len(describer.vocabulary),
        bytes=size,
        seconds=round(time.perf_counter() - begin, 3),
    )


def _photo_files(folder: Path) -> list[PhotoFile]:
    """The photos below a folder, in the order of their paths.

    Raises:
        SettingsError: if it is not a folder, or contains no photo.
    """
    found = []
    for path in photo_files(folder, "what is indexed"):
        try:
            status = path.stat()
            stamp = status.st_size, status.st_mtime_ns  # from before it is read: a later change is noticed next time
        except OSError:
            stamp = -1, -1  # reading the photo will report the error
        found.append(PhotoFile(path, (path.relative_to(folder).as_posix(), *stamp)))
    return found


def _check_out(out: Path) -> None:
    if format_of_path(out) is not None:
        raise SettingsError(f"--out {out} is named like a photo; use another name, such as photos.index")
    if out.is_dir():
        raise SettingsError(f"--out {out} is a folder; name a file in it")
    make_folder(out.parent)


def _earlier(out: Path, settings: EncoderSettings, folder: str) -> IndexFile | None:
    """The existing index that is to be brought up to date.

    Raises:
        SettingsError: if something else is there.
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


def _described(describer: SearchEncoder, files: Sequence[PhotoFile]) -> Generator[tuple[PhotoFile, Item | PhotoError]]:
    """Read and describe photos in parallel: each photo, in order, with its description or its error."""

    def describe(file: PhotoFile) -> Item | PhotoError:
        try:
            return describer.describe(read_photo(file.path).pixels)
        except (PhotoError, ValueError, RuntimeError, MemoryError) as error:
            return photo_error(file.path, error, "described")

    threads = max(2, torch.get_num_threads())  # on one core, one thread reads while the other computes
    with contextlib.closing(ordered_map(describe, files, threads=threads)) as results:
        yield from zip(files, results, strict=True)


def _vocabulary(
    settings: EncoderSettings,
    files: Sequence[PhotoFile],
    out: Path,
    earlier: IndexFile | None,
    partial: PartialIndex,
    learning: Progress,
) -> Vocabulary | None:
    """The index's own vocabulary: the existing one, that of an interrupted run, or a new one; None without `words`.

    Raises:
        SettingsError: if the photos have too few local descriptors for so many words.
    """
    if settings.words is None:
        return None
    found = partial.vocabulary() if earlier is None else stored_vocabulary(out, earlier)
    if found is not None:
        return found
    most = min(_DESCRIPTORS_PER_WORD * settings.words, _MOST_DESCRIPTORS)
    count = min(len(files), max(_FEWEST_PHOTOS, most // _DESCRIPTORS_PER_PHOTO))
    sample = sorted(random.Random(0).sample(range(len(files)), count))  # noqa: S311 - no secret

    def pixels() -> Iterator[Tensor]:
        for done, place in enumerate(sample, 1):
            with contextlib.suppress(PhotoError):  # reported when the photo is described
                yield read_photo(files[place].path).pixels
            learning(done, count)

    descriptors = training_descriptors(pixels(), SIFT(), most=most, seed=0)
    try:
        trained = Vocabulary.train(descriptors, settings.words, seed=0)
    except ValueError as error:
        raise SettingsError(f"--words {settings.words}: {error}") from error
    partial.save_vocabulary(trained)
    return trained
