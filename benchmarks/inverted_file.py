"""The speed of a search among bags of visual words, compared with a product of sparse matrices.

    python benchmarks/inverted_file.py [--photos 100000] [--features 500] [--words 20000] [--queries 20] [--json]

Words are drawn at random, the r-th most frequent with probability proportional to r^-skew; signatures are random. Skew
0 is uniform. Judged by the number of comparisons per query, words that k-means finds in photos correspond to a skew
between 0 and 0.3; the default of 0.5 is harder. A query is a stored photo: some of its features are kept, with some
bits of their signatures flipped, and the others are drawn anew. `found` is the share of queries that find their photo
first.

There is one line per scoring. The time of a query is that of `InvertedFile.search`, including the ranking to the first
ten, one query at a time, on one core; `query_processor_ms_median` excludes what the processor did for other programs.
`build_seconds` is the time from the last photo added until a search is possible, the same for all scorings;
`memory_mib` is the size of the arrays, and `peak_mib` the peak memory of the process up to then. For "words", `peer` is
the same search as a product of SciPy's sparse matrices, tf-idf vectors in single precision by word, and a partial
sort; `ratio_to_peer` is our median over theirs, of processor time. Both must find the same photos.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from scipy import sparse

from recessive.galleries.inverted_file import InvertedFile, Scoring
from recessive.visual_words import VisualWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Draw = Callable[[int], NDArray[np.int32]]
    Search = Callable[[VisualWords], NDArray[np.int64]]

KEPT = 0.5  # share of the features of a photo that its query keeps
FLIPPED = 0.12  # share of the bits of a signature
K = 10
_CHUNK = 1000  # photos drawn at a time


def word_drawer(words: int, skew: float, rng: np.random.Generator) -> Draw:
    chances = np.arange(1.0, words + 1) ** -skew
    ends = np.cumsum(rng.permutation(chances / chances.sum()))

    def draw(count: int) -> NDArray[np.int32]:
        return np.minimum(np.searchsorted(ends, rng.random(count)), words - 1).astype(np.int32)

    return draw


def random_signatures(count: int, rng: np.random.Generator) -> NDArray[np.uint64]:
    return rng.integers(0, 2**64, count, dtype=np.uint64)


def fill(gallery: InvertedFile, photos: int, features: int, draw: Draw, rng: np.random.Generator) -> None:
    for first in range(0, photos, _CHUNK):
        few = min(_CHUNK, photos - first)
        words = draw(few * features).reshape(few, features)
        signatures = random_signatures(few * features, rng).reshape(few, features)
        gallery.add([VisualWords(*bag) for bag in zip(words, signatures, strict=True)])


def perturbed(bag: VisualWords, draw: Draw, rng: np.random.Generator) -> VisualWords:
    """A query with the same number of features as a photo, some of them in common."""
    kept = rng.random(len(bag)) < KEPT
    bits = (rng.random((len(bag), 64)) < FLIPPED) @ (np.uint64(1) << np.arange(64, dtype=np.uint64))
    words = np.where(kept, bag.words, draw(len(bag)))
    signatures = np.where(kept, bag.signatures ^ bits, random_signatures(len(bag), rng))
    return VisualWords(words, signatures)


def photo(gallery: InvertedFile, index: int) -> VisualWords:
    arrays = gallery.arrays()
    own = np.flatnonzero(arrays["photos"] == index)
    words = np.searchsorted(arrays["offsets"], own, side="right") - 1
    return VisualWords(words.astype(np.int32), arrays["signatures"][own])


@dataclass(frozen=True)
class Timed:
    """The time of each query in milliseconds, its processor time, and its results."""

    wall: list[float]
    processor: list[float]
    results: list[NDArray[np.int64]]


def timed(queries: list[VisualWords], search: Search) -> Timed:
    search(queries[0])
    found = Timed([], [], [])
    for query in queries:
        begin, worked = time.perf_counter(), time.process_time()
        found.results.append(search(query))
        found.wall.append(1000 * (time.perf_counter() - begin))
        found.processor.append(1000 * (time.process_time() - worked))
    return found


def ours(gallery: InvertedFile) -> Search:
    return lambda query: gallery.search([query], K).indices[0].numpy()


def sparse_search(gallery: InvertedFile) -> Search:
    """The peer: tf-idf vectors as a sparse matrix, one row per word."""
    arrays = gallery.arrays()
    photos, words = len(gallery), gallery.words
    idf = np.log(photos / np.maximum(arrays["frequencies"], 1))
    weights = np.repeat(idf.astype(np.float32), np.diff(arrays["offsets"]))
    weights /= np.sqrt(arrays["squared_norms"][0]).astype(np.float32)[arrays["photos"]]
    matrix = sparse.csr_matrix((weights, arrays["photos"], arrays["offsets"]), shape=(words, photos))

    def search(query: VisualWords) -> NDArray[np.int64]:
        own, counts = np.unique(query.words, return_counts=True)
        values = (counts * idf[own]).astype(np.float32)
        vector = sparse.csr_matrix((values, own, [0, len(own)]), shape=(1, words))
        scores = (vector @ matrix).toarray()[0]
        best = np.argpartition(scores, photos - K)[photos - K :]
        return best[np.argsort(-scores[best], kind="stable")]

    return search


def peak_mib() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes or KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=500)
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--skew", type=float, default=0.5)
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    draw = word_drawer(arguments.words, arguments.skew, rng)
    gallery = InvertedFile(arguments.words)
    fill(gallery, arguments.photos, arguments.features, draw, rng)
    begin = time.perf_counter()
    arrays = gallery.arrays()
    build = time.perf_counter() - begin
    asked = rng.choice(arguments.photos, arguments.queries, replace=False)
    queries = [perturbed(photo(gallery, index), draw, rng) for index in asked]

    constants = {
        "photos": arguments.photos,
        "entries": len(arrays["photos"]),
        "skew": arguments.skew,
        "build_seconds": round(build, 2),
        "memory_mib": round(sum(array.nbytes for array in arrays.values()) / 2**20),
        "peak_mib": round(peak_mib()),
    }
    for scoring in get_args(Scoring):
        begin = time.perf_counter()
        opened = InvertedFile.from_arrays(arrays, arguments.words, scoring)
        opening = time.perf_counter() - begin
        own = timed(queries, ours(opened))
        result = {"scoring": scoring} | constants
        result |= {
            "open_seconds": round(opening, 3),
            "query_ms_median": round(statistics.median(own.wall), 2),
            "query_ms_max": round(max(own.wall), 2),
            "query_processor_ms_median": round(statistics.median(own.processor), 2),
            "found": float(np.mean([found[0] == index for found, index in zip(own.results, asked, strict=True)])),
        }
        if scoring == "words":
            peer = timed(queries, sparse_search(opened))
            same = [set(mine) == set(theirs) for mine, theirs in zip(own.results, peer.results, strict=True)]
            result |= {
                "peer": "scipy",
                "peer_query_ms_median": round(statistics.median(peer.wall), 2),
                "ratio_to_peer": round(statistics.median(own.processor) / statistics.median(peer.processor), 3),
                "same_as_peer": float(np.mean(same)),
            }
        print(json.dumps(result) if arguments.json else "  ".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
