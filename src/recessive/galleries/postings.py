"""The entries of an inverted file: which features of which photos have a word, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recessive.visual_words import VisualWords

_BLOCK = 1 << 16  # entries processed at a time, so that they fit the processor's cache
_PART = 1 << 20  # features sorted at a time

_KINDS: dict[str, type[np.generic]] = {
    "offsets": np.int64,
    "photos": np.int32,
    "signatures": np.uint64,
    "frequencies": np.int64,
    "squared_norms": np.float64,
}


@dataclass(frozen=True, eq=False)
class Postings:
    """One entry per local feature, ordered by word, then by photo, then by the order of addition.

    The entries of word w are those from offsets[w] to offsets[w + 1]. Arrays may be read-only; none is written to.

    Attributes:
        offsets: (W + 1,), int64, for a vocabulary of W words.
        photos: (E,), int32, the photo of each entry.
        signatures: (E,), uint64.
        count: the number of photos, including those without features.
    """

    offsets: NDArray[np.int64]
    photos: NDArray[np.int32]
    signatures: NDArray[np.uint64]
    count: int

    @classmethod
    def of(cls, bags: Sequence[VisualWords], words: int) -> Postings:
        """The entries of some photos, whose words all lie in a vocabulary of that many words."""
        lengths = [len(bag) for bag in bags]
        cuts = 1 + np.flatnonzero(np.diff(np.cumsum(lengths) // _PART))
        parts = [bags[a:b] for a, b in pairwise([0, *cuts.tolist(), len(bags)])]
        offsets = np.zeros(words + 1, np.int64)
        for part in parts:
            offsets[1:] += np.bincount(_joined([bag.words for bag in part], np.int32), minlength=words)
        np.cumsum(offsets, out=offsets)
        photos, signatures = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.uint64)
        # Sorting in parts takes less memory than sorting all at once, and less time: a part stays in the cache.
        following, first = offsets[:-1].copy(), 0
        for part in parts:
            own = _joined([bag.words for bag in part], np.int32)
            order = _stable_order(own)
            counts = np.bincount(own, minlength=words)
            places = np.arange(len(own)) + np.repeat(following - (np.cumsum(counts) - counts), counts)
            whose = np.repeat(np.arange(first, first + len(part), dtype=np.int32), [len(bag) for bag in part])
            photos[places] = whose[order]
            signatures[places] = _joined([bag.signatures for bag in part], np.uint64)[order]
            following += counts
            first += len(part)
        return cls(offsets, photos, signatures, len(bags))

    def followed_by(self, later: Postings) -> Postings:
        """These photos followed by others of the same vocabulary."""
        places = np.repeat(self.offsets[1:], np.diff(later.offsets))
        photos = np.insert(self.photos, places, later.photos + np.int32(self.count))
        signatures = np.insert(self.signatures, places, later.signatures)
        return Postings(self.offsets + later.offsets, photos, signatures, self.count + later.count)

    def blocks(self, words: NDArray[np.integer[Any]]) -> Iterator[NDArray[np.int64]]:
        """The entries of some words, in their order, a few at a time; those of one word and photo stay together.

        Yields:
            (3, P): position among the given words, first entry, and the entry after the last.
        """
        block: list[tuple[int, int, int]] = []
        held = 0
        bounds = zip(self.offsets[words].tolist(), self.offsets[words + 1].tolist(), strict=True)
        for place, (begin, end) in enumerate(bounds):
            for first, last in self._pieces(begin, end):
                if block and held + last - first > _BLOCK:
                    yield np.array(block, np.int64).T
                    block, held = [], 0
                block.append((place, first, last))
                held += last - first
        if block:
            yield np.array(block, np.int64).T

    def _pieces(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The entries of one word, cut between photos if they exceed a block."""
        while last - first > _BLOCK:
            own, photo = self.photos[first:last], self.photos[first + _BLOCK]
            length = int(np.searchsorted(own, photo)) or int(np.searchsorted(own, photo, side="right"))
            yield first, first + length
            first += length
        if first < last:
            yield first, last

    def counted(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]]:
        """All entries in their order, about one block of words at a time.

        Yields:
            (B,) each: word, photo, how often the photo has the word, and whether this entry is the first of these.
        """
        begin, words = 0, len(self.offsets) - 1
        while begin < words:
            full = int(np.searchsorted(self.offsets, self.offsets[begin] + _BLOCK, side="right")) - 1
            end = max(begin + 1, full)
            bounds = self.offsets[begin : end + 1] - self.offsets[begin]
            photos = self.photos[self.offsets[begin] : self.offsets[end]]
            first = np.ones(len(photos), np.bool_)
            np.not_equal(photos[1:], photos[:-1], out=first[1:])
            first[bounds[bounds < len(photos)]] = True
            counts = np.diff(np.flatnonzero(first), append=len(photos))
            yield np.repeat(np.arange(begin, end), np.diff(bounds)), photos, np.repeat(counts, counts), first
            begin = end

    def frequencies(self) -> NDArray[np.int64]:
        """N_w, the number of photos that have each word: (W,)."""
        found = np.zeros(len(self.offsets) - 1, np.int64)
        for words, _, _, first in self.counted():
            np.add.at(found, words[first], 1)
        return found

    def bags(self) -> list[VisualWords]:
        """The words of all photos, in the order of the vocabulary."""
        order = _stable_order(self.photos)
        words = np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int32), np.diff(self.offsets))[order]
        signatures = self.signatures[order]
        ends = np.cumsum(np.bincount(self.photos, minlength=self.count)).tolist()
        return [VisualWords(words[a:b], signatures[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def _joined(arrays: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *arrays])


def _stable_order(values: NDArray[np.int32]) -> NDArray[np.int64]:
    """A stable argsort of non-negative integers, by their lower and then their upper sixteen bits.

    NumPy sorts integers of sixteen bits by counting, and wider ones by comparing, which takes several times as long.
    """
    order = np.argsort(values.astype(np.uint16), kind="stable")
    if len(values) and values.max() > np.iinfo(np.uint16).max:
        order = order[np.argsort((values >> 16).astype(np.uint16)[order], kind="stable")]
    return order


def check_arrays(arrays: Mapping[str, NDArray[Any]], words: int) -> dict[str, NDArray[Any]]:
    """Returns arrays of `InvertedFile.arrays` that are safe to search, neither copied nor written to.

    All of them except the signatures are read once.

    Raises:
        ValueError: if one is missing, or they do not fit each other or a vocabulary of that many words.
    """
    missing = sorted(_KINDS.keys() - arrays.keys())
    if missing:
        raise ValueError(f"an inverted file also has the arrays {', '.join(missing)}")
    held = {name: np.asarray(arrays[name]) for name in _KINDS}
    problem = next(_problems(words, **held), None)
    if problem is not None:
        raise ValueError(f"these are not the arrays of an inverted file of {words} words: {problem}")
    return held


def _problems(
    words: int,
    offsets: NDArray[Any],
    photos: NDArray[Any],
    signatures: NDArray[Any],
    frequencies: NDArray[Any],
    squared_norms: NDArray[Any],
) -> Iterator[str]:
    """What is wrong with the arrays; each check relies on those before it, so that only the first answer counts."""
    count = squared_norms.shape[-1] if squared_norms.ndim else 0
    wanted = {
        "offsets": (offsets, (words + 1,)),
        "photos": (photos, (photos.size,)),
        "signatures": (signatures, (photos.size,)),
        "frequencies": (frequencies, (words,)),
        "squared_norms": (squared_norms, (2, count)),
    }
    for name, (array, shape) in wanted.items():
        if array.dtype != _KINDS[name]:
            yield f"{name} are {array.dtype}, not {np.dtype(_KINDS[name])}"
        if array.shape != shape:
            yield f"{name} have the shape {array.shape}, not {shape}"
    if offsets[0] != 0 or offsets[-1] != len(photos) or (offsets[1:] < offsets[:-1]).any():
        yield f"offsets do not go up from 0 to {len(photos)}, the number of features"
    if len(photos) and not 0 <= photos.min() <= photos.max() < count:
        yield f"not all photos are among {count}"
    if not np.isin(1 + np.flatnonzero(photos[1:] < photos[:-1]), offsets).all():
        yield "the photos of a word are not in order"
    entries = np.diff(offsets)
    if (frequencies < np.minimum(entries, 1)).any() or (frequencies > np.minimum(entries, count)).any():
        yield "frequencies do not fit the offsets"
    if not ((squared_norms >= 0) & (squared_norms < np.inf)).all():
        yield "squared_norms are not all finite and at least 0"
