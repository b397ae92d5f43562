"""Exact search among bags of visual words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.galleries import nearest
from recessive.galleries.gallery import SCRATCH_VALUES, Hits
from recessive.galleries.hamming_embedding import (
    SIGNATURE_BITS,
    burst_votes,
    squared_norm,
    squared_norms,
    votes,
    word_scores,
)
from recessive.galleries.inverted_arrays import check_arrays
from recessive.galleries.postings import Postings
from recessive.visual_words import VisualWords

Scoring = Literal["words", "hamming", "burstiness"]


class InvertedFile:
    """Bags of visual words, compared by the words that they share. Implements `Gallery[Sequence[VisualWords]]`.

    With N photos, N_w of which have word w, and a photo's tf(w) features of it, idf(w) = ln(N / N_w), where a word
    of no photo counts as one of a single photo, and the distance of a photo d from a query q is

      D(q, d) = 1 − score(q, d) / (‖q‖ ‖d‖),   ‖x‖ = √Σ_w (tf_x(w) idf(w))²,

    from 0 to 1 (nothing shared), float32; a photo without repeated words is at 0 from its copy. The score is

    - "words": Σ_w tf_q(w) tf_d(w) idf(w)², so that D is one minus the cosine of tf-idf vectors;
    - "hamming": Σ idf(w)² over all pairs of a feature of q and one of d that have the same word and signatures that
      differ in at most `threshold` bits (Jégou et al., ECCV 2008);
    - "burstiness": Σ_f idf(w_f)² (Σ_m exp(−h_m² / 16²)) / √n over q's features f, m going through the n matches of f
      in d, at h_m ≤ `threshold` bits; here ‖d‖ = √Σ_w tf_d(w) idf(w)² (Jégou et al., CVPR 2009, as in COLMAP).

    ‖q‖ changes no ranking. A photo or query whose norm is zero is at distance 1 from everything: one without features,
    or with only such words as all photos have; hence all photos in a gallery of one. Distances change as the gallery
    grows, since idf does; in an empty one idf = 1.

    Args:
        words: size of the vocabulary.
        scoring: one of the above.
        threshold: bits, from 0 to 64; nothing to "words".

    Raises:
        ValueError: no words, another scoring, or a threshold out of range.
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
        self._added: list[VisualWords] = []  # sorted in when first searched, so that many small additions stay cheap
        self._postings = Postings.of([], words)
        self._frequencies = self._postings.frequencies()
        self._squared_norms = np.zeros((2, 0))

    def __len__(self) -> int:
        """How many photos it holds."""
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
        """Append the words of N photos.

        Raises:
            ValueError: a word is outside the vocabulary.
        """
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
        """Distances of one query from some photos, whose squared norms are given (2, N)."""
        if self.scoring == "words":
            scores = word_scores(query, photos, squared_idf)
        else:
            scoring = votes if self.scoring == "hamming" else burst_votes
            scores = scoring(query, photos, squared_idf, self.threshold)
        # One root of both squared norms: of a copy, it is the squared norm itself.
        product = np.sqrt(squared_norm(query, squared_idf) * norms[int(self.scoring == "burstiness")])
        similarities = np.divide(scores, product, out=np.zeros(len(product)), where=product > 0)
        distances: NDArray[np.float32] = np.maximum(1 - similarities, 0).astype(np.float32)
        return distances

    def distances(self, queries: Sequence[VisualWords]) -> Iterator[tuple[slice, Tensor]]:
        """Distances (few, len), float32, a few queries at a time."""
        self._check(queries)
        held, squared_idf = self._held(), self._squared_idf()
        few = max(1, SCRATCH_VALUES // max(1, held.count))
        for first in range(0, max(1, len(queries)), few):
            some = slice(first, min(first + few, len(queries)))
            rows = np.empty((some.stop - some.start, held.count), np.float32)
            for row, query in zip(rows, queries[some], strict=True):
                row[:] = self._row(query, held, squared_idf, self._squared_norms)
            yield some, torch.from_numpy(rows)

    def search(self, queries: Sequence[VisualWords], k: int) -> Hits:
        """See `Gallery`; distances are float32."""
        return nearest.search(self, queries, k)

    def count_within(self, queries: Sequence[VisualWords], radius: float) -> Tensor:
        """See `Gallery`."""
        counts = torch.zeros(len(queries), dtype=torch.int64)
        for some, distances in self.distances(queries):
            # A wider type than the distances': comparing does not round the radius.
            counts[some] = torch.from_numpy((distances.numpy() <= np.float64(radius)).sum(axis=1))
        return counts

    def between(self, first: Sequence[VisualWords], second: Sequence[VisualWords]) -> Tensor:
        """See `Gallery`; the first of a pair is the query, and idf is this gallery's, which neither need be in."""
        if len(first) != len(second):
            raise ValueError(f"pairs need as many of the one as of the other: {len(first)} and {len(second)}")
        for bags in (first, second):
            self._check(bags)
        self._held()
        squared_idf, found = self._squared_idf(), torch.empty(len(first))
        for pair, (query, other) in enumerate(zip(first, second, strict=True)):
            alone = Postings.of([other], self.words)
            found[pair] = float(self._row(query, alone, squared_idf, squared_norms(alone, squared_idf))[0])
        return found

    def photos(self) -> list[VisualWords]:
        """The words of all photos, each photo's in the order of the vocabulary: what another gallery can be made of."""
        return self._held().bags()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that it holds, for a file: not copies, so not to be written to.

        E features of N photos, ordered by word and then by photo, W words: `offsets` (W + 1,), int64, where each
        word's features begin; `photos` (E,), int32; `signatures` (E,), uint64; `frequencies` (W,), int64, N_w;
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
        """The gallery that `arrays` came from, or the same with another scoring; it may be added to.

        Nothing is copied, and nothing written to: arrays may be read-only memory maps.

        Raises:
            ValueError: these are not the arrays of a gallery with that many words, or another argument is wrong.
        """
        gallery = cls(words, scoring, threshold)
        held = check_arrays(arrays, words)
        gallery._frequencies, gallery._squared_norms = held["frequencies"], held["squared_norms"]
        count = held["squared_norms"].shape[1]
        gallery._postings = Postings(held["offsets"], held["photos"], held["signatures"], count)
        return gallery
