"""Scores of photos by the words that they share with a query, and by Hamming Embedding.

N photos, N_w of which have word w; idf(w) = ln(N / N_w). Sums of a photo are double precision, word by word in the
order of the vocabulary, whatever else is in the gallery: photos with the same features are true ties, and a pair has
one score wherever it is computed.

Jégou, Douze, Schmid, "Hamming embedding and weak geometric consistency for large scale image search", ECCV 2008.
Jégou, Douze, Schmid, "On the burstiness of visual elements", CVPR 2009.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recessive.galleries.postings import Postings
from recessive.visual_words import VisualWords

SIGNATURE_BITS = 64
_WIDTH = 16.0  # of the weight of a Hamming distance
# Multiples of 2⁻³⁰, so that sums of them are exact and do not depend on the order of a photo's features.
_WEIGHTS = np.round(np.exp(-((np.arange(SIGNATURE_BITS + 1) / _WIDTH) ** 2)) * 2**30) / 2**30


def ordered(query: VisualWords) -> NDArray[np.intp]:
    """The order of a query's features by word, then by signature: what its features came in makes no difference."""
    return np.lexsort((query.signatures, query.words))


def word_scores(query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ_w tf_q(w) tf_d(w) idf(w)² of each photo d, the product of tf-idf vectors: (N,)."""
    scores = np.zeros(postings.count)
    words, counts = np.unique(query.words, return_counts=True)
    weights = squared_idf[words] * counts
    words, weights = words[weights > 0], weights[weights > 0]
    for places, firsts, lasts in postings.blocks(words):
        bounds = zip(firsts.tolist(), lasts.tolist(), strict=True)
        # Indices as wide as NumPy's own, for it would convert them more slowly.
        photos = np.concatenate([postings.photos[first:last] for first, last in bounds], dtype=np.intp)
        np.add.at(scores, photos, np.repeat(weights[places], lasts - firsts))
    return scores


def votes(
    query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64], threshold: int
) -> NDArray[np.float64]:
    """Σ idf(w)² over the matches of each photo: (N,). Jégou et al. 2008, Section 4.2.

    A feature of the query and one of the photo match if they have the same word w and their signatures differ in at
    most `threshold` bits. Every such pair votes: a structure that is repeated in both photos does so many times over.
    """
    scores = np.zeros(postings.count)
    for weights, photos, _, _ in _matches(query, postings, squared_idf, threshold):
        np.add.at(scores, photos, weights)
    return scores


def burst_votes(
    query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64], threshold: int
) -> NDArray[np.float64]:
    """Σ_f idf(w_f)² · (Σ_m exp(−h_m² / 16²)) / √n over the query's features f, of each photo: (N,).

    m goes through the n matches of feature f in the photo, at Hamming distance h_m. A feature that finds many in one
    photo, as a repeated structure does, counts less for each: Jégou et al. 2009, intra-image burstiness; weights and
    cut are those of COLMAP.
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


_Matches = tuple["NDArray[np.float64]", "NDArray[np.int32]", "NDArray[np.int64]", "NDArray[np.uint8]"]


def _matches(
    query: VisualWords, postings: Postings, squared_idf: NDArray[np.float64], threshold: int
) -> Iterator[_Matches]:
    """Matches, some at a time, by feature of the query and then by photo; those of a feature in a photo together.

    Yields:
        (M,) each: idf² of the word, photo, feature, and by how many bits the signatures differ.
    """
    order = ordered(query)
    order = order[squared_idf[query.words[order]] > 0]
    weights, signatures = squared_idf[query.words[order]], query.signatures[order]
    for features, firsts, lasts in postings.blocks(query.words[order]):
        ends = np.cumsum(lasts - firsts)
        begins = ends - (lasts - firsts)
        different = np.empty(ends[-1], np.uint64)
        # A loop, since a word has thousands of entries in a large gallery: indices of all of them would take longer.
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
        np.add.at(norms[0], photos, weights * counts)  # tf times each, so that a copy's score is its squared norm
        np.add.at(norms[1], photos, weights)
    return norms


def squared_norm(query: VisualWords, squared_idf: NDArray[np.float64]) -> float:
    """Σ_w (tf(w) idf(w))² of a query, summed as that of a photo is."""
    words, counts = np.unique(query.words, return_counts=True)
    return float(np.cumsum(np.repeat(squared_idf[words] * counts, counts))[-1]) if len(words) else 0.0
