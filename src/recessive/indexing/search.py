"""Search an index with photos."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from recessive.datasets import Box, DataError, cut_out
from recessive.encoders import EncoderError
from recessive.errors import SettingsError, photo_error
from recessive.galleries.index_file import IndexFileError, read_index
from recessive.indexing.index import IndexCard
from recessive.photos import read_photo
from recessive.searchers import load_describer
from recessive.searchers.describer import stored_vocabulary
from recessive.visual_words import VisualWords


@dataclass(frozen=True)
class SearchResult:
    """One result of a search.

    Attributes:
        rank: 1 for the nearest photo.
        path: the path of the photo in the folder that was indexed.
        distance: the distance to the query, in the measure of the encoder.
        score: the similarity, at most 1; for plain visual words, codes and descriptors, a copy has 1.
    """

    rank: int
    path: str
    distance: float
    score: float


@dataclass(frozen=True)
class SearchReport:
    """The results of a search with one photo.

    Attributes:
        photo: the path of the query.
        box: the part of the query that was used, as left, top, right and bottom edge in pixels; None for all of it.
        index: the path of the index.
        encoder: the encoder that described the photos and the query, with its options.
        photos: the number of photos in the index.
        features: the number of local features of the query; None where the encoder needs none.
        results: the nearest photos first, those at equal distance in the order of their paths. With visual words, only
            photos that share some with the query.
        describing_seconds: the time to read and describe the query.
        searching_seconds: the time to search.
        notes: reasons why there are fewer results than requested.
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
    """An open index, which can be searched with any number of photos.

    Args:
        path: the path of the index.

    Attributes:
        card: how the index was built.

    Raises:
        IndexFileError: if the file is missing, damaged, not an index, or of a later format.
        SettingsError: if the index was made by another version of its encoder, or by one that is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        stored = read_index(path)
        self.card = IndexCard.of(path, stored)
        settings, digest = self.card.settings, self.card.digest
        try:
            self._describer = load_describer(settings, stored_vocabulary(path, stored))
        except EncoderError as error:
            raise SettingsError(f"{path} was made by {settings}, which is not available: {error}") from error
        if digest != self._describer.digest:
            raise SettingsError(
                f"{path} was made by {settings} with the digest {digest[:12]}, which now has the digest "
                f"{self._describer.digest[:12]} and describes photos differently; index them again: "
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
        """The number of photos in the index."""
        return len(self._names)

    def search(self, photo: Path, k: int = 10, box: Box | None = None) -> SearchReport:
        """Find the photos that are most similar to one.

        Args:
            photo: the path of the query.
            k: the number of results; all photos if the index holds fewer.
            box: the part of the photo to search with: left, top, right and bottom edge in pixels, rounded to whole
                pixels and clipped to the photo.

        Raises:
            SettingsError: if k < 1, or the box lies outside of the photo.
            PhotoError: if the photo cannot be read or described.
        """
        if k < 1:
            raise SettingsError(f"-k must be at least 1, not {k}")
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
        folder, score = Path(self.card.folder), self._describer.kind.score
        results = tuple(
            SearchResult(rank, str(folder / self._names[place]), distance, score(distance))
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
    """Open an index and search it with one photo, see `PhotoIndex.search`."""
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
    """The reasons why there are fewer results than requested."""
    if isinstance(item, VisualWords) and not len(item):
        yield "the query has no local features: nothing is found by visual words"
    elif found < wanted:
        yield f"{found or 'no'} photos share visual words with the query; words that all photos have do not count"
