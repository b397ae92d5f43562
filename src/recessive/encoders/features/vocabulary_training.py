"""What a vocabulary is learnt from descriptors with: k-means, a random orthogonal projection, medians."""

from __future__ import annotations

import itertools

import faiss
import numpy as np
from numpy.typing import NDArray

from recessive.encoders.features.nearest_words import EXACT, unbuilt

_ROUNDS = 10  # the last lowers the distortion by 0.1%, measured on real photos
_FEWEST = 5  # descriptors, below which a word's medians say nothing


def distinct(descriptors: NDArray[np.float32], enough: int) -> int:
    """How many different rows there are; counting ends at `enough`."""
    seen: set[bytes] = set()
    for row in descriptors:
        seen.add(row.tobytes())
        if len(seen) == enough:
            break
    return len(seen)


def k_means(descriptors: NDArray[np.float32], words: int, seed: int) -> NDArray[np.float32]:
    """Centres (words, D) of ten rounds of Lloyd's algorithm on all descriptors (M, D), from random ones of them.

    Beyond `EXACT` words each round finds nearest centres approximately, as Philbin et al., "Object retrieval with
    large vocabularies and fast spatial matching", 2007, do.
    """
    clusters = faiss.Kmeans(
        descriptors.shape[1],
        words,
        niter=_ROUNDS,
        seed=seed,
        min_points_per_centroid=1,  # faiss would complain of fewer than 39,
        max_points_per_centroid=len(descriptors),  # and leave out what is beyond 256
    )
    if words > EXACT:
        clusters.index = unbuilt(words, descriptors.shape[1])
    clusters.train(descriptors)
    return np.asarray(clusters.centroids, np.float32)


def orthogonal_rows(rows: int, length: int, seed: int) -> NDArray[np.float32]:
    """The first rows of a random orthogonal matrix: of the Q in QR = a square matrix of standard normal numbers.

    R has a positive diagonal, which makes Q unique, and uniform over the orthogonal matrices.
    """
    normal = np.random.default_rng(seed).standard_normal((length, length))
    q, r = np.linalg.qr(normal)
    return (q * np.sign(np.diag(r)))[:rows].astype(np.float32)


def medians(projected: NDArray[np.float32], places: NDArray[np.int64], words: int) -> NDArray[np.float32]:
    """Medians (words, B) of the values (M, B) in each of M places; of all values where a place has fewer than 5."""
    overall = [np.median(column) for column in projected.T]
    thresholds = np.tile(np.array(overall, np.float32), (words, 1))
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(words + 1))
    for word, (start, end) in enumerate(itertools.pairwise(bounds)):
        if end - start >= _FEWEST:
            thresholds[word] = np.median(projected[order[start:end]], axis=0)
    return thresholds
