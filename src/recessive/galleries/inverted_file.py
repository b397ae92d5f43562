"""Exact search among bags of visual words: scores by shared words and by Hamming Embedding, and the inverted file.

N photos, N_w of which have word w; idf(w) = ln(N / N_w). The sums of a photo are computed in double precision, word by
word in the order of the vocabulary, whatever else is in the gallery: photos with the same features are true ties, and a
pair has the same score wherever it is computed.

Jégou, Douze, Schmid, "Hamming embedding and weak geometric consistency for large scale image search", ECCV 2008.
Jégou, Douze, Schmid, "On the burstiness of visual elements", CVPR 2009.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.galleries.gallery import Gallery, check_pairs, chunks
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


Scoring = Literal["words", "hamming", "burstiness"]

SIGNATURE_BITS = 64
_WIDTH = 16.0  # σ of the weight exp(−h² / σ²) of a Hamming distance h
# Multiples of 2⁻³⁰, so that their sums are exact and do not depend on the order of a photo's features.
_WEIGHTS = np.round(np.exp(-((np.arange(SIGNATURE_BITS + 1) / _WIDTH) ** 2)) * 2**30) / 2**30


def word_scores(query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ_w tf_q(w) tf_d(w) idf(w)² of each photo d, the inner product of tf-idf vectors: (N,)."""
    scores = np.zeros(postings.count)
    words, counts = np.unique(query.words, return_counts=True)
    weights = squared_idf[words] * counts
    words, weights = words[weights > 0], weights[weights > 0]
    for places, firsts, lasts in postings.blocks(words):
        bounds = zip(firsts.tolist(), lasts.tolist(), strict=True)
        # Indices of NumPy's own width: its conversion would be slower.
        photos = np.concatenate([postings.photos[first:last] for first, last in bounds], dtype=np.intp)
        np.add.at(scores, photos, np.repeat(weights[places], lasts - firsts))
    return scores


def votes(
    query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64], threshold: int
) -> NDArray[np.float64]:
    """Σ idf(w)² over the matches of each photo: (N,). Jégou et al. 2008, Section 4.2.

    A feature of the query and one of the photo match if they have the same word w and their signatures differ in at
    most `threshold` bits. Every such pair votes, so that a structure repeated in both photos votes many times.
    """
    scores = np.zeros(postings.count)
    for weights, photos, _, _ in _matches(query, postings, squared_idf, threshold):
        np.add.at(scores, photos, weights)
    return scores


def burst_votes(
    query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64], threshold: int
) -> NDArray[np.float64]:
    """Σ_f idf(w_f)² · (Σ_m exp(−h_m² / 16²)) / √n over the query's features f, of each photo: (N,).

    The sum is over the n matches m of feature f in the photo, at Hamming distance h_m. A feature with many matches in
    one photo, as in a repeated structure, counts less for each: Jégou et al. 2009, intra-image burstiness. Weights and
    threshold are those of COLMAP.
    """
    scores = np.zeros(postings.count)
    for weights, photos, features, bits in _matches(query, postings, squared_idf, threshold):
        if len(photos):
            first = np.ones(len(photos), np.bool_)
            first[1:] = (photos[1:] != photos[:-1]) | (features[1:] != features[:-1])
            starts = np.flatnonzero(first)
            sums = np.add.reduceat(_WEIGHTS[bits], starts)
            matches = np.diff(starts, append=len(photos))
            np.add.at(scores, photos[starts], weights[starts] * (sums / np.sqrt(matches)))
    return scores


def _matches(
    query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64], threshold: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint8]]]:
    """Matches, some at a time, by feature of the query and then by photo; those of a feature in a photo stay together.

    Yields:
        (M,) each: idf² of the word, photo, feature, and the number of bits in which the signatures differ.
    """
    order = np.lexsort((query.signatures, query.words))  # independent of the order of the query's features
    order = order[squared_idf[query.words[order]] > 0]
    weights, signatures = squared_idf[query.words[order]], query.signatures[order]
    for features, firsts, lasts in postings.blocks(query.words[order]):
        ends = np.cumsum(lasts - firsts)
        begins = ends - (lasts - firsts)
        different = np.empty(ends[-1], np.uint64)
        # A loop, because in a large gallery a word has thousands of entries, and indexing them all would take longer.
        bounds = zip(firsts.tolist(), lasts.tolist(), begins.tolist(), ends.tolist(), strict=True)
        for signature, (first, last, begin, end) in zip(signatures[features], bounds, strict=True):
            np.bitwise_xor(postings.signatures[first:last], signature, out=different[begin:end])
        bits = np.bitwise_count(different)
        near = np.flatnonzero(bits <= threshold)
        piece = np.repeat(np.arange(len(ends)), np.diff(np.searchsorted(near, ends), prepend=0))
        photos = postings.photos[near + (firsts - begins)[piece]]
        feature = features[piece]
        yield weights[feature], photos, feature, bits[near]


def squared_norms(postings: Postings, squared_idf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ_w (tf(w) idf(w))² and Σ_w tf(w) idf(w)² of each photo: (2, N)."""
    norms = np.zeros((2, postings.count))
    for words, photos, counts, _ in postings.counted():
        weights = squared_idf[words]
        np.add.at(norms[0], photos, weights * counts)  # tf times, so that the score of a copy is its squared norm
        np.add.at(norms[1], photos, weights)
    return norms


def squared_norm(query: VisualWords, squared_idf: NDArray[np.float64]) -> float:
    """Σ_w (tf(w) idf(w))² of a query, summed in the same order as that of a photo."""
    words, counts = np.unique(query.words, return_counts=True)
    return float(np.cumsum(np.repeat(squared_idf[words] * counts, counts))[-1]) if len(words) else 0.0


class InvertedFile(Gallery[Sequence[VisualWords]]):
    """Bags of visual words, compared by the words that they share.

    A word that no photo has counts as a word of one photo. With tf_x(w) features of word w in x, the distance of a
    photo d from a query q is

      D(q, d) = 1 − score(q, d) / (‖q‖ ‖d‖),   ‖x‖ = √Σ_w (tf_x(w) idf(w))²,

    from 0 to 1 (nothing shared), float32; a photo without repeated words is at 0 from its copy. The score is

    - "words": `word_scores`, so that D is one minus the cosine of tf-idf vectors;
    - "hamming": `votes` (Jégou et al., ECCV 2008);
    - "burstiness": `burst_votes`; here ‖d‖ = √Σ_w tf_d(w) idf(w)² (Jégou et al., CVPR 2009, as in COLMAP).

    ‖q‖ does not change the ranking. A photo or query whose norm is zero is at distance 1 from everything: one without
    features or only with words that all photos have, and therefore every photo in a gallery of one. Distances change as
    the gallery grows, because idf does; in an empty gallery idf = 1.

    Args:
        words: the size of the vocabulary.
        scoring: one of the scorings above.
        threshold: the largest Hamming distance of a match, 0 to 64 bits; has no effect on "words".

    Raises:
        ValueError: if there are no words, the scoring is unknown, or the threshold out of range.
    """

    unrelated = 1.0

    def __init__(self, words: int, scoring: Scoring = "hamming", threshold: int = 24) -> None:
        if words < 1:
            raise ValueError(f"a vocabulary needs at least one word: {words}")
        if scoring not in get_args(Scoring):
            raise ValueError(f"scoring is one of {', '.join(get_args(Scoring))}, not {scoring!r}")
        if not 0 <= threshold <= SIGNATURE_BITS:
            raise ValueError(f"signatures differ in 0 to {SIGNATURE_BITS} bits: {threshold}")
        self.words, self.scoring, self.threshold = words, scoring, threshold
        self._added: list[VisualWords] = []  # sorted by the first search, so that small additions stay cheap
        self._postings = Postings.of([], words)
        self._frequencies = self._postings.frequencies()
        self._squared_norms = np.zeros((2, 0))

    def __len__(self) -> int:
        """The number of photos."""
        return self._postings.count + len(self._added)

    def _check(self, bags: Sequence[VisualWords]) -> Sequence[VisualWords]:
        for place, bag in enumerate(bags):
            if len(bag) and bag.words.max() >= self.words:
                raise ValueError(
                    f"photo {place} has the word {bag.words.max()}, outside this vocabulary of {self.words}: "
                    "describe it with the vocabulary of this gallery"
                )
        return bags

    def add(self, items: Sequence[VisualWords]) -> None:
        """Appends the words of N photos, all of which must lie in the vocabulary."""
        self._added += [VisualWords(bag.words.copy(), bag.signatures.copy()) for bag in self._check(items)]

    def _held(self) -> Postings:
        if self._added:
            later = Postings.of(self._added, self.words)
            self._postings = self._postings.followed_by(later) if self._postings.count else later
            self._added = []
            self._frequencies = self._postings.frequencies()
            self._squared_norms = squared_norms(self._postings, self._squared_idf())
        return self._postings

    def _squared_idf(self) -> NDArray[np.float64]:
        if not self._postings.count:
            return np.ones(self.words)
        idf = np.log(self._postings.count / np.maximum(self._frequencies, 1))
        return np.asarray(idf * idf, np.float64)

    def _row(
        self, query: VisualWords, photos: Postings, squared_idf: NDArray[np.float64], norms: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Distances of one query from some photos with the given squared norms (2, N)."""
        if self.scoring == "words":
            scores = word_scores(query, photos, squared_idf)
        else:
            scoring = votes if self.scoring == "hamming" else burst_votes
            scores = scoring(query, photos, squared_idf, self.threshold)
        # A single root of both squared norms: for a copy, it is exactly the squared norm.
        product = np.sqrt(squared_norm(query, squared_idf) * norms[int(self.scoring == "burstiness")])
        similarities = np.divide(scores, product, out=np.zeros(len(product)), where=product > 0)
        distances: NDArray[np.float32] = np.maximum(1 - similarities, 0).astype(np.float32)
        return distances

    def distances(self, queries: Sequence[VisualWords]) -> Iterator[tuple[slice, Tensor]]:
        """See `Gallery`."""
        self._check(queries)
        held, squared_idf = self._held(), self._squared_idf()
        for some in chunks(len(queries), held.count):
            rows = np.empty((some.stop - some.start, held.count), np.float32)
            for row, query in zip(rows, queries[some], strict=True):
                row[:] = self._row(query, held, squared_idf, self._squared_norms)
            yield some, torch.from_numpy(rows)

    def between(self, first: Sequence[VisualWords], second: Sequence[VisualWords]) -> Tensor:
        """See `Gallery`; the first of each pair is the query, and idf is that of this gallery."""
        check_pairs(first, second)
        for bags in (first, second):
            self._check(bags)
        self._held()
        squared_idf, found = self._squared_idf(), torch.empty(len(first))
        for pair, (query, other) in enumerate(zip(first, second, strict=True)):
            alone = Postings.of([other], self.words)
            found[pair] = float(self._row(query, alone, squared_idf, squared_norms(alone, squared_idf))[0])
        return found

    def photos(self) -> list[VisualWords]:
        """Returns the words of all photos, in the order of the vocabulary: another gallery can be made of them."""
        return self._held().bags()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Returns the content of the gallery for a file; the arrays are not copies and must not be written to.

        For E features of N photos, ordered by word and then by photo, and W words: `offsets` (W + 1,), int64, where the
        features of each word begin; `photos` (E,), int32; `signatures` (E,), uint64; `frequencies` (W,), int64, N_w;
        `squared_norms` (2, N), float64, Σ_w (tf idf)² and Σ_w tf idf² of each photo.
        """
        held = self._held()
        return {
            "offsets": held.offsets,
            "photos": held.photos,
            "signatures": held.signatures,
            "frequencies": self._frequencies,
            "squared_norms": self._squared_norms,
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], words: int, scoring: Scoring = "hamming", threshold: int = 24
    ) -> InvertedFile:
        """Returns the gallery of these `arrays`, possibly with another scoring; photos can be added to it.

        Arrays are neither copied nor written to: they may be read-only memory maps.

        Raises:
            ValueError: if these are not the arrays of a gallery with that many words, or another argument is invalid.
        """
        gallery = cls(words, scoring, threshold)
        held = check_arrays(arrays, words)
        gallery._frequencies, gallery._squared_norms = held["frequencies"], held["squared_norms"]
        count = held["squared_norms"].shape[1]
        gallery._postings = Postings(held["offsets"], held["photos"], held["signatures"], count)
        return gallery
