"""Hand-crafted features, which no network computes: bags of visual words, CEDD and GIST."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from recessive.datasets import Box
from recessive.encoders import (
    CEDD,
    GIST,
    BagOfWords,
    Describer,
    Vocabulary,
    bundled_vocabulary,
    descriptor_gallery,
    descriptor_thresholds,
    words_gallery,
)
from recessive.galleries.inverted_file import Scoring
from recessive.galleries.kinds import OfDescriptors, OfWords
from recessive.searchers.describer import EncoderSettings, SearchEncoder, part
from recessive.searchers.entry import Entry, Family, Stored
from recessive.visual_words import VisualWords

HANDCRAFTED = ("bovw-he", "cedd", "gist")
"""Local and global search without a network, which every audit asks."""

SCORINGS: dict[str, Scoring] = {"bovw": "words", "bovw-he": "hamming", "bovw-burst": "burstiness"}
"""Bags of visual words, and how an inverted file scores each."""

VECTORS: dict[str, tuple[Callable[[], Describer], str]] = {
    "cedd": (CEDD, "tanimoto"),
    "gist": (GIST, "euclidean"),
    "gist-colour": (partial(GIST, colour=True), "euclidean"),
}
"""Global descriptors, and the measure that compares each."""

_SUMMARIES = {
    "bovw": "SIFT keypoints as visual words, compared by how often each occurs",
    "bovw-he": "SIFT keypoints as visual words of a vocabulary of 10,000, with Hamming Embedding",
    "bovw-burst": "the same as bovw-he, where repeated structures count less",
    "cedd": "colours and edge directions, a histogram of 144",
    "gist": "scales and orientations in 4 x 4 parts, 512-D",
    "gist-colour": "GIST of each colour channel",
}


def _load_words(settings: EncoderSettings, vocabulary: Vocabulary | None) -> SearchEncoder:
    if vocabulary is None:
        vocabulary = bundled_vocabulary() if settings.vocabulary is None else Vocabulary.load(Path(settings.vocabulary))
    bag = BagOfWords(vocabulary)
    kind = OfWords(len(vocabulary), SCORINGS[settings.encoder])

    def describe_part(photo: Tensor, box: Box | None) -> VisualWords:
        return bag.describe(part(photo, box))

    return SearchEncoder(settings, lambda: (bag.digest, repr(kind)), kind, describe_part, vocabulary=vocabulary)


def _load_vector(settings: EncoderSettings, _: Vocabulary | None) -> SearchEncoder:
    make, measure = VECTORS[settings.encoder]
    describer = make()
    kind = OfDescriptors(describer.dim, measure)

    def describe_part(photo: Tensor, box: Box | None) -> Tensor:
        return describer(part(photo, box)[None])[0]

    return SearchEncoder(settings, lambda: (settings.encoder, repr(kind)), kind, describe_part)


def _stored(name: str) -> Stored | None:
    if name not in HANDCRAFTED:
        return None
    of_vectors: Literal["cedd", "gist"] = "cedd" if name == "cedd" else "gist"
    gallery = words_gallery if name == "bovw-he" else partial(descriptor_gallery, of_vectors)
    return Stored(descriptor_thresholds()[name], gallery)


@cache
def _listed() -> dict[str, Entry]:
    words = frozenset({"words", "vocabulary"})
    listed = {}
    for name in (*SCORINGS, *VECTORS):
        local = name in SCORINGS
        listed[name] = Entry(
            name=name,
            family="local features" if local else "global features",
            summary=_SUMMARIES[name],
            outputs="keypoints" if local else "descriptor",
            dim=None if local else VECTORS[name][0]().dim,
            load=_load_words if local else _load_vector,
            gradients=False,
            network=name,
            stored=_stored(name),
            options=words if local else frozenset(),
        )
    return listed


FEATURES = Family("", _listed)
