"""Visual words: a vocabulary of local descriptors, and bags of words.

A *word* is the centre of a cluster of local descriptors (Sivic, Zisserman, "Video Google: a text retrieval approach to
object matching in videos", 2003). A *signature* of 64 bits says where in the cell of its word a descriptor lies (Jégou,
Douze, Schmid, "Hamming embedding and weak geometric consistency for large scale image search", 2008, section 3). A
`Vocabulary` assigns both to descriptors, and a `BagOfWords` to a photo: what its local features are, without where they
are. Searching for the nearest word is exact for small vocabularies, and approximate for large ones.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from recessive.encoders.encoder import EncoderError
from recessive.encoders.features.sift import LENGTH, SIFT
from recessive.encoders.networks.backbones import BUNDLE
from recessive.encoders.weight_files import read_weights
from recessive.files import write_whole
from recessive.visual_words import VisualWords

BITS = 64
"""The length of a signature."""

EXACT = 2000
"""The most words for which comparing with all of them is fastest."""

Index = Any  # of faiss, which has no types
_WORDS_PER_CELL, _CELLS_SEEN, _COMPARED = 200, 12, 16
_ROUNDS = 10  # of k-means; the last lowers the distortion by 0.1%, measured on real photos
_FEWEST = 5  # descriptors; the medians of a word with fewer say nothing
_WORD_STEPS, _THRESHOLD_STEPS = 255, 127  # the largest whole multiples that a byte holds
_BUILDING = threading.Lock()


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """W words, a projection onto 64 directions, and for each word the thresholds of its signatures.

    A descriptor x is assigned the nearest word (L2; with more than 2,000 words nearly always the nearest, see
    `unbuilt`), and the signature whose bit i is (P x)ᵢ > τ of that word and bit. Descriptors of one word that lie close
    to each other have signatures at a small Hamming distance.

    Words and thresholds are rounded on construction to whole multiples, 0 to 255 and −127 to 127, of the smallest power
    of two that allows it, so that a byte stores each and a vocabulary that was saved and loaded is the same. For
    RootSIFT descriptors of real photos and 20,000 words, this assigns another word to 1.3% of the descriptors, all of
    which lie between two words.

    Args:
        words: (W, 128), at least 0.
        projection: P, (64, 128), with orthonormal rows.
        thresholds: τ, (W, 64).

    Raises:
        ValueError: if shapes differ, or values are negative or not finite.
    """

    words: NDArray[np.float32]
    projection: NDArray[np.float32]
    thresholds: NDArray[np.float32]

    def __post_init__(self) -> None:
        count = (*np.shape(self.words), 0)[0]
        if not count:
            raise ValueError(f"a vocabulary has words, (W, {LENGTH})")
        shapes = {"words": (count, LENGTH), "projection": (BITS, LENGTH), "thresholds": (count, BITS)}
        for name, shape in shapes.items():
            values = np.asarray(getattr(self, name), np.float32)
            if values.shape != shape:
                raise ValueError(f"{name} of a vocabulary of {count} words are {shape}, not {values.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} of a vocabulary must be finite")
            object.__setattr__(self, name, values)
        if self.words.min() < 0:
            raise ValueError("words of a vocabulary are means of SIFT descriptors, which have no negative values")
        object.__setattr__(self, "words", _rounded(self.words, _WORD_STEPS))
        object.__setattr__(self, "thresholds", _rounded(self.thresholds, _THRESHOLD_STEPS))

    @classmethod
    def train(cls, descriptors: NDArray[np.float32], words: int, *, seed: int = 0) -> Vocabulary:
        """Learn a vocabulary: k-means, a random orthogonal projection, medians.

        Ten rounds of k-means on all descriptors, starting from random ones, give the words; beyond 2,000 words each
        round finds nearest words as `assign` does. P is 64 rows of the Q in the QR decomposition of a random Gaussian
        matrix. τ of a word and bit is the median of (P x)ᵢ over the word's descriptors, or over all descriptors if the
        word has fewer than 5. The same descriptors and seed give the same vocabulary.

        Args:
            descriptors: (M, 128); 50 to 100 per word make good words. With 20,000 words, each takes a core 0.1 ms.
            words: W, the number of words to learn.
            seed: the seed of the first words and of the projection.

        Raises:
            ValueError: if there are no words or fewer distinct descriptors than words, or if descriptors have another
                shape, or values that are negative or not finite.
        """
        if words < 1:
            raise ValueError(f"a vocabulary has at least one word, not {words}")
        descriptors = _checked(descriptors)
        different = distinct(descriptors, words)
        if different < words:
            raise ValueError(
                f"{different} distinct descriptors do not make {words} words: ask for at most {different}, or take "
                "more photos, or photos with more detail"
            )
        centres = _rounded(k_means(descriptors, words, seed), _WORD_STEPS)
        projection = orthogonal_rows(BITS, LENGTH, seed)
        places = nearest(build(centres), descriptors)
        return cls(centres, projection, medians(descriptors @ projection.T, places, words))

    def __len__(self) -> int:
        """The number W of words."""
        return len(self.words)

    def assign(self, descriptors: NDArray[np.float32]) -> VisualWords:
        """Return the words and signatures of descriptors (K, 128), in their order; bit i of a signature is worth 2ⁱ.

        Safe to call from several threads at once; each call runs in its own thread only. The first call prepares the
        search, which takes a second for 20,000 words.

        Raises:
            ValueError: if the descriptors have another shape, or values that are not finite.
        """
        descriptors = _checked(descriptors)
        places = nearest(self._search, descriptors)
        bits = descriptors @ self.projection.T > self.thresholds[places]
        signatures = np.packbits(bits, axis=1, bitorder="little").view("<u8")[:, 0]
        return VisualWords(places.astype(np.int32), signatures.astype(np.uint64))

    @property
    def _search(self) -> Index:
        with _BUILDING:  # of several threads, one builds
            return self._built

    @cached_property
    def _built(self) -> Index:
        return build(self.words)

    def tensors(self) -> dict[str, Tensor]:
        """The content as tensors, to be stored: 192 bytes per word, and the projection."""
        words, step = _steps(self.words, _WORD_STEPS)
        thresholds, other = _steps(self.thresholds, _THRESHOLD_STEPS)
        return {
            "words": torch.from_numpy(words.astype(np.uint8)),
            "thresholds": torch.from_numpy(thresholds.astype(np.int8)),
            "steps": torch.tensor([step, other]),
            "projection": torch.from_numpy(self.projection.copy()),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Vocabulary:
        """Rebuild a vocabulary from its `tensors`; other tensors are ignored.

        Raises:
            ValueError: if some are missing, or are not as `tensors` returns them.
        """
        kinds = {"words": torch.uint8, "thresholds": torch.int8, "steps": torch.float32, "projection": torch.float32}
        for name, kind in kinds.items():
            if name not in tensors:
                raise ValueError(f"{name} are missing")
            if tensors[name].dtype != kind:
                raise ValueError(f"{name} are {tensors[name].dtype}, not {kind}")
        if tensors["steps"].shape != (2,) or not all(0 < step < math.inf for step in tensors["steps"].tolist()):
            raise ValueError(f"steps are two positive numbers, not {tensors['steps'].tolist()}")
        step, other = tensors["steps"].numpy()
        words, thresholds = (tensors[name].numpy().astype(np.float32) for name in ("words", "thresholds"))
        return cls(words * step, tensors["projection"].numpy().copy(), thresholds * other)

    @cached_property
    def digest(self) -> str:
        """The hexadecimal SHA-256 of the content: vocabularies with the same digest assign the same words."""
        content = hashlib.sha256()
        for values in (self.words, self.projection, self.thresholds):
            content.update(f"{values.shape}".encode())
            content.update(values.astype("<f4").tobytes())
        return content.hexdigest()

    def save(self, path: Path) -> None:
        """Write a safetensors file, whole or not at all; an existing file is replaced.

        Raises:
            OSError: if the file cannot be written.
        """
        write_whole(path, save(self.tensors()))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Load a vocabulary that was saved.

        Raises:
            EncoderError: if the file is missing, damaged, or holds no vocabulary.
        """
        try:
            return cls.from_tensors(read_weights(path))
        except ValueError as error:
            raise EncoderError(f"holds no vocabulary of visual words: {error}", path) from error


@dataclass(frozen=True)
class BagOfWords:
    """SIFT, then the word and signature of each descriptor. Safe to call from several threads at once.

    The result, `VisualWords`, is no vector and passes no gradient; an inverted file searches it.

    Args:
        vocabulary: a vocabulary that was trained on descriptors of the same `sift`.
        sift: the detector and descriptor of local features.
    """

    vocabulary: Vocabulary
    sift: SIFT = field(default_factory=SIFT)

    @property
    def name(self) -> str:
        """The name on the command line."""
        return "bovw"

    @functools.cached_property
    def digest(self) -> str:
        """The hexadecimal SHA-256 of the vocabulary and all constants: the same digest means the same words."""
        return hashlib.sha256(f"{self.vocabulary.digest} {self.sift}".encode()).hexdigest()

    def describe(self, photo: Tensor) -> VisualWords:
        """Return the words and signatures of a photo (3, H, W) in [0, 1]; without local features there are none.

        Raises:
            ValueError: if the photo has another shape, or values that are not finite.
        """
        return self.vocabulary.assign(self.sift.features(photo).descriptors)


def training_descriptors(photos: Iterable[Tensor], sift: SIFT, *, most: int, seed: int) -> NDArray[np.float32]:
    """Draw a uniform random sample of all local descriptors of photos, to train a vocabulary on.

    Each descriptor of each photo is equally likely to be drawn (Vitter, "Random sampling with a reservoir", 1985,
    algorithm R). Photos are read one at a time, and only the sample is kept in memory.

    Args:
        photos: photos (3, H, W) in [0, 1].
        sift: the detector and descriptor of local features.
        most: the size of the sample; if there are no more descriptors, all are returned in their order.
        seed: the seed of the choice.

    Returns:
        (M, 128), M ≤ `most`.

    Raises:
        ValueError: if `most` is not positive, or a photo has another shape.
    """
    if most < 1:
        raise ValueError(f"a sample has at least one descriptor, not {most}")
    generator = np.random.default_rng(seed)
    sample, seen = np.empty((most, LENGTH), np.float32), 0
    for photo in photos:
        descriptors = sift.features(photo).descriptors
        # The n-th of all, from 0, draws one of n + 1 places, and enters the sample if the sample has that place.
        places = np.arange(seen, seen + len(descriptors))
        beyond = places >= most
        places[beyond] = generator.integers(0, places[beyond] + 1)
        taken = places < most
        sample[places[taken]] = descriptors[taken]  # of several in one place, numpy keeps the last
        seen += len(descriptors)
    return sample[:seen]


@functools.cache
def bundled_vocabulary() -> Vocabulary:
    """Load the vocabulary that ships with the package, for RootSIFT descriptors.

    Raises:
        EncoderError: if its file is missing or damaged.
    """
    return Vocabulary.load(BUNDLE / "vocabulary.safetensors")


def _checked(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    checked = np.ascontiguousarray(descriptors, np.float32)
    if checked.ndim != 2 or checked.shape[1] != LENGTH:
        raise ValueError(f"local descriptors are (K, {LENGTH}), not {checked.shape}")
    if not np.isfinite(checked).all():
        raise ValueError("local descriptors must be finite")
    return checked


def _steps(values: NDArray[np.float32], most: int) -> tuple[NDArray[np.float32], float]:
    """Values as whole multiples of at most ±`most`, and the power of two that they are multiples of."""
    fraction, exponent = math.frexp(float(np.abs(values).max()) / most)
    step = 2.0 ** (exponent - (fraction == 0.5))
    return np.rint(values / np.float32(step)) + np.float32(0), step  # no -0, which bytes cannot hold


def _rounded(values: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    whole, step = _steps(values, most)
    return whole * np.float32(step)


def unbuilt(words: int, length: int) -> Index:
    """Return an empty search structure of faiss for a number of words.

    With up to `EXACT` words, a descriptor is compared with all. Beyond, k-means groups the words into cells of 200. The
    words of the 12 cells nearest to a descriptor are ranked by distances to quantised words (32 parts of 4 bits; André
    et al., "Cache locality is not enough", 2015), and the 16 best of them by exact distances. On real photos and 20,000
    words, 98% of the descriptors get the word of the exact search, in a tenth of the time.
    """
    if words <= EXACT:
        return faiss.IndexFlatL2(length)
    index: Index = faiss.index_factory(length, f"IVF{words // _WORDS_PER_CELL},PQ32x4fs,RFlat")
    cells: Index = faiss.downcast_index(index.base_index)
    cells.nprobe = _CELLS_SEEN
    index.k_factor = _COMPARED
    return index


def build(words: NDArray[np.float32]) -> Index:
    """Build the search structure of words (W, D); the same words give the same structure."""
    index = unbuilt(*words.shape)
    with _one_thread():
        index.train(words)
        index.add(words)
    return index


def nearest(index: Index, descriptors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the index (K,) of the word nearest to each descriptor (K, D), computed in the calling thread only."""
    with _one_thread():
        places: NDArray[np.int64] = index.search(descriptors, 1)[1][:, 0]
    return places


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep faiss to the calling thread: one photo is too little work to share, and several may be processed at once.

    OpenMP keeps this number per calling thread.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def distinct(descriptors: NDArray[np.float32], enough: int) -> int:
    """Count the distinct rows, up to `enough`."""
    seen: set[bytes] = set()
    for row in descriptors:
        seen.add(row.tobytes())
        if len(seen) == enough:
            break
    return len(seen)


def k_means(descriptors: NDArray[np.float32], words: int, seed: int) -> NDArray[np.float32]:
    """Return centres (words, D): ten rounds of Lloyd's algorithm on all descriptors (M, D), from random ones of them.

    Beyond `EXACT` words each round finds nearest centres approximately, as in Philbin et al., "Object retrieval with
    large vocabularies and fast spatial matching", 2007.
    """
    clusters = faiss.Kmeans(
        descriptors.shape[1],
        words,
        niter=_ROUNDS,
        seed=seed,
        min_points_per_centroid=1,  # faiss would warn below 39,
        max_points_per_centroid=len(descriptors),  # and drop descriptors beyond 256
    )
    if words > EXACT:
        clusters.index = unbuilt(words, descriptors.shape[1])
    clusters.train(descriptors)
    return np.asarray(clusters.centroids, np.float32)


def orthogonal_rows(rows: int, length: int, seed: int) -> NDArray[np.float32]:
    """Return the first rows of a random orthogonal matrix Q, where QR is a square matrix of standard normal numbers.

    R has a positive diagonal, which makes Q unique and uniform over the orthogonal matrices.
    """
    normal = np.random.default_rng(seed).standard_normal((length, length))
    q, r = np.linalg.qr(normal)
    return (q * np.sign(np.diag(r)))[:rows].astype(np.float32)


def medians(projected: NDArray[np.float32], places: NDArray[np.int64], words: int) -> NDArray[np.float32]:
    """The medians (words, B) of the values (M, B) of each word, or of all values for words with fewer than 5."""
    overall = [np.median(column) for column in projected.T]
    thresholds = np.tile(np.array(overall, np.float32), (words, 1))
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(words + 1))
    for word, (start, end) in enumerate(itertools.pairwise(bounds)):
        if end - start >= _FEWEST:
            thresholds[word] = np.median(projected[order[start:end]], axis=0)
    return thresholds
