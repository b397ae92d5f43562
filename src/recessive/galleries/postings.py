"""Which features of which photos have a word: the entries of an inverted file, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recessive.visual_words import VisualWords

_BLOCK = 1 << 16  # entries worked on at a time: what fits the processor's cache
_PART = 1 << 20  # features sorted at a time


@dataclass(frozen=True, eq=False)
class Postings:
    """Entries, one a local feature, ordered by word, then by photo, then as they came.

    The entries of word w are those from offsets[w] to offsets[w + 1]. Arrays may be read-only; none is written to.

    Attributes:
        offsets: (W + 1,), int64, of a vocabulary of W words.
        photos: (E,), int32, whose feature an entry is.
        signatures: (E,), uint64.
        count: how many photos there are, those without features included.
    """

    offsets: NDArray[np.int64]
    photos: NDArray[np.int32]
    signatures: NDArray[np.uint64]
    count: int

    @classmethod
    def of(cls, bags: Sequence[VisualWords], words: int) -> Postings:
        """The entries of some photos, all of whose words lie in a vocabulary of that many words."""
        lengths = [len(bag) for bag in bags]
        cuts = 1 + np.flatnonzero(np.diff(np.cumsum(lengths) // _PART))
        parts = [bags[a:b] for a, b in pairwise([0, *cuts.tolist(), len(bags)])]
        offsets = np.zeros(words + 1, np.int64)
        for part in parts:
            offsets[1:] += np.bincount(_joined([bag.words for bag in part], np.int32), minlength=words)
        np.cumsum(offsets, out=offsets)
        photos, signatures = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.uint64)
        # A part at a time, which takes less memory than sorting them all, and less time: a part stays in the cache.
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
        """These photos and then those, of the same vocabulary."""
        places = np.repeat(self.offsets[1:], np.diff(later.offsets))
        photos = np.insert(self.photos, places, later.photos + np.int32(self.count))
        signatures = np.insert(self.signatures, places, later.signatures)
        return Postings(self.offsets + later.offsets, photos, signatures, self.count + later.count)

    def blocks(self, words: NDArray[np.integer[Any]]) -> Iterator[NDArray[np.int64]]:
        """The entries of some words, in their order, a few at a time: what a photo has of one word stays together.

        Yields:
            (3, P): a place among the given words, its first entry, and the one after its last.
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
        """The entries of one word, cut between photos where they are more than a block."""
        while last - first > _BLOCK:
            own, photo = self.photos[first:last], self.photos[first + _BLOCK]
            length = int(np.searchsorted(own, photo)) or int(np.searchsorted(own, photo, side="right"))
            yield first, first + length
            first += length
        if first < last:
            yield first, last

    def counted(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]]:
        """All entries in their order, the words of about a block at a time.

        Yields:
            (B,) each: words, photos, how often the photo has the word, and whether this is the first time.
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
        """N_w, in how many photos each word occurs: (W,)."""
        found = np.zeros(len(self.offsets) - 1, np.int64)
        for words, _, _, first in self.counted():
            np.add.at(found, words[first], 1)
        return found

    def bags(self) -> list[VisualWords]:
        """The words of all photos, each photo's in the order of the vocabulary."""
        order = _stable_order(self.photos)
        words = np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int32), np.diff(self.offsets))[order]
        signatures = self.signatures[order]
        ends = np.cumsum(np.bincount(self.photos, minlength=self.count)).tolist()
        return [VisualWords(words[a:b], signatures[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def _joined(arrays: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *arrays])


def _stable_order(values: NDArray[np.int32]) -> NDArray[np.int64]:
    """A stable argsort of numbers that are not negative, by their lower and then their upper sixteen bits.

    NumPy sorts numbers of sixteen bits by counting, wider ones by comparing, which takes several times as long.
    """
    order = np.argsort(values.astype(np.uint16), kind="stable")
    if len(values) and values.max() > np.iinfo(np.uint16).max:
        order = order[np.argsort((values >> 16).astype(np.uint16)[order], kind="stable")]
    return order
