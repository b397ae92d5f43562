"""Search an index with photos."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from recessive.datasets.boxes import cut_out
from recessive.datasets.decoding import Box
from recessive.datasets.errors import DataError
from recessive.encoders import EncoderError
from recessive.errors import SettingsError, photo_error
from recessive.galleries.index_file import IndexFileError, read_index
from recessive.indexing.card import IndexCard
from recessive.photos import read_photo
from recessive.searchers.describers import search_encoder, stored_vocabulary
from recessive.visual_words import VisualWords


@dataclass(frozen=True)
class SearchResult:
    """A photo of the index.

    Attributes:
        rank: 1 for the nearest.
        path: of the photo, in the folder as it was when it was indexed.
        distance: from the query, by the encoder's own measure.
        score: at most 1, and the higher, the more alike; by plain visual words, codes and descriptors 1 for a copy.
    """

    rank: int
    path: str
    distance: float
    score: float


@dataclass(frozen=True)
class SearchReport:
    """What a photo finds.

    Attributes:
        photo: the query.
        box: the part of it that was searched with, in pixels: left, top, right, bottom; None for all of it.
        index: what was searched.
        encoder: what described photos and query, with its options.
        photos: how many the index holds.
        features: local features of the query; None where its encoder needs none.
        results: nearest first, equal distances in the order of paths; by visual words only photos that share some.
        describing_seconds: to read and describe the query.
        searching_seconds: to search with it.
        notes: why there are fewer results than were asked for.
    """

    photo: str
    box: tuple[float, float, float, float] | None
    index: str
    encoder: str
    photos: int
    features: int | None
    results: tuple[SearchResult, ...]
    describing_seconds: float
    searching_seconds: float
    notes: tuple[str, ...]


class PhotoIndex:
    """An index, opened to be searched with many photos.

    Args:
        path: of the index.

    Attributes:
        card: what made it.

    Raises:
        IndexFileError: it is missing, damaged, no index, or of a later format.
        SettingsError: it was made by another version of its encoder, or one that is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        stored = read_index(path)
        self.card = IndexCard.of(path, stored)
        settings, digest = self.card.settings, self.card.digest
        try:
            self._describer = search_encoder(settings, stored_vocabulary(path, stored))
        except EncoderError as error:
            raise SettingsError(f"{path} was made by {settings}, which cannot be had: {error}") from error
        if digest != self._describer.digest:
            raise SettingsError(
                f"{path} was made by {settings} with the digest {digest[:12]}, which now has the digest "
                f"{self._describer.digest[:12]} and describes photos otherwise; index them again: "
                f"recessive index {self.card.folder} --encoder {settings} --out {path} --overwrite"
            )
        self._names = stored.names
        try:
            self._gallery = self._describer.kind.gallery(stored.gallery)
        except ValueError as error:
            raise IndexFileError(f"{path}: is damaged: {error}") from error
        if len(self._gallery) != len(self._names):
            raise IndexFileError(f"{path}: is damaged: {len(self._names)} names, {len(self._gallery)} photos")

    def __len__(self) -> int:
        """How many photos it holds."""
        return len(self._names)

    def search(self, photo: Path, k: int = 10, box: Box | None = None) -> SearchReport:
        """The photos most like one.

        Args:
            photo: the query.
            k: how many; all of them if there are fewer.
            box: search with this part of the photo: left, top, right and bottom edge in pixels, rounded to whole ones,
                and clipped to the photo.

        Raises:
            SettingsError: k < 1, or nothing of the photo lies in the box.
            PhotoError: the photo cannot be read or described.
        """
        if k < 1:
            raise SettingsError(f"-k counts results, at least 1: {k}")
        begin = time.perf_counter()
        pixels = read_photo(photo).pixels
        if box is not None:
            _check_box(photo, pixels, box)
        try:
            item = self._describer.describe(pixels, box)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise photo_error(photo, error, "described") from error
        described = time.perf_counter()
        hits = self._gallery.search(self._describer.kind.batch([item]), k)
        found = list(zip(hits.indices[0].tolist(), hits.distances[0].tolist(), strict=True))
        if isinstance(item, VisualWords):
            found = [(place, distance) for place, distance in found if distance < 1]
        searched = time.perf_counter()
        results = tuple(
            SearchResult(
                rank, str(Path(self.card.folder) / self._names[place]), distance, self._describer.kind.score(distance)
            )
            for rank, (place, distance) in enumerate(found, 1)
        )
        return SearchReport(
            photo=str(photo),
            box=box,
            index=str(self.path),
            encoder=str(self.card.settings),
            photos=len(self),
            features=len(item) if isinstance(item, VisualWords) else None,
            results=results,
            describing_seconds=round(described - begin, 4),
            searching_seconds=round(searched - described, 4),
            notes=tuple(_notes(item, len(results), min(k, len(self)))),
        )


def search_index(index: Path, photo: Path, k: int = 10, box: Box | None = None) -> SearchReport:
    """Open an index and search it with one photo: see `PhotoIndex`."""
    return PhotoIndex(index).search(photo, k, box)


def _check_box(photo: Path, pixels: Tensor, box: Box) -> None:
    left, top, right, bottom = box
    if not (all(map(math.isfinite, box)) and left < right and top < bottom):
        numbers = " ".join(f"{edge:g}" for edge in box)
        raise SettingsError(f"--box {numbers}: name its left, top, right and bottom edge, in this order")
    try:
        cut_out(pixels, box, str(photo))
    except DataError as error:
        raise SettingsError(f"{error}, which is {pixels.shape[2]} wide and {pixels.shape[1]} high") from None


def _notes(item: Tensor | VisualWords, found: int, wanted: int) -> Iterator[str]:
    """Why there are fewer results than were asked for."""
    if isinstance(item, VisualWords) and not len(item):
        yield "the query has no local features: nothing is found by visual words"
    elif found < wanted:
        yield f"{found or 'no'} photos share visual words with the query; words that all photos have do not count"
