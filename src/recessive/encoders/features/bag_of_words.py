"""A bag of visual words: what a photo's local features are, without where they are.

Sivic, Zisserman, "Video Google: a text retrieval approach to object matching in videos", 2003.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recessive.encoders.features.sift import LENGTH, SIFT
from recessive.encoders.features.vocabulary import Vocabulary
from recessive.encoders.networks.backbones import BUNDLE
from recessive.visual_words import VisualWords


@dataclass(frozen=True)
class BagOfWords:
    """SIFT, then the word and signature of each descriptor. Safe to call from several threads at once.

    It gives no vector and no gradient; galleries of `VisualWords` search with what it gives.

    Args:
        vocabulary: trained on descriptors of the same `sift`.
        sift: finds and describes local features.
    """

    vocabulary: Vocabulary
    sift: SIFT = field(default_factory=SIFT)

    @property
    def name(self) -> str:
        """What people call it by."""
        return "bovw"

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of the vocabulary and all constants: the same digest, the same words."""
        return hashlib.sha256(f"{self.vocabulary.digest} {self.sift}".encode()).hexdigest()

    def describe(self, photo: Tensor) -> VisualWords:
        """Words and signatures of a photo (3, H, W) in [0, 1]; one without local features has none.

        Raises:
            ValueError: another shape, or values that are not finite.
        """
        return self.vocabulary.assign(self.sift.features(photo).descriptors)


def training_descriptors(photos: Iterable[Tensor], sift: SIFT, *, most: int, seed: int) -> NDArray[np.float32]:
    """A uniform random sample of all local descriptors of photos, to train a vocabulary on.

    Each descriptor of each photo is as likely to be in it as any other (Vitter, "Random sampling with a reservoir",
    1985, algorithm R). Photos are taken one at a time; besides one photo, only the sample is held.

    Args:
        photos: (3, H, W) each, in [0, 1].
        sift: finds and describes local features.
        most: descriptors in the sample; all of them, in their order, when there are no more.
        seed: of the choice.

    Returns:
        (M, 128), M ≤ `most`.

    Raises:
        ValueError: `most` is not positive, or a photo is none.
    """
    if most < 1:
        raise ValueError(f"a sample has at least one descriptor, not {most}")
    generator = np.random.default_rng(seed)
    sample, seen = np.empty((most, LENGTH), np.float32), 0
    for photo in photos:
        descriptors = sift.features(photo).descriptors
        # The n-th of all, from 0, comes to a random one of n + 1 places, and into the sample if that has the place.
        places = np.arange(seen, seen + len(descriptors))
        beyond = places >= most
        places[beyond] = generator.integers(0, places[beyond] + 1)
        taken = places < most
        sample[places[taken]] = descriptors[taken]  # of several in one place, numpy keeps the last
        seen += len(descriptors)
    return sample[:seen]


@functools.cache
def bundled_vocabulary() -> Vocabulary:
    """The vocabulary that ships with the package, for RootSIFT descriptors.

    Raises:
        EncoderError: its file is missing or damaged.
    """
    return Vocabulary.load(BUNDLE / "vocabulary.safetensors")
