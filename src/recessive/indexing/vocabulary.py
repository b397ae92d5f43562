"""A visual vocabulary of the indexed photos' own, where none from elsewhere is asked for."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from recessive.encoders.features.bag_of_words import training_descriptors
from recessive.encoders.features.sift import SIFT
from recessive.encoders.features.vocabulary import Vocabulary
from recessive.errors import SettingsError
from recessive.indexing.described import PhotoFile
from recessive.photos import PhotoError, read_photo

_PER_WORD, _MOST = 100, 2_000_000  # local descriptors that it is trained on: of a word, and at most
_OF_PHOTO, _FEW = 100, 1000  # so many are expected of a photo, at least; so many photos are read in any case


def own_vocabulary(
    words: int, files: Sequence[PhotoFile], learning: Callable[[int, int], None] | None = None
) -> Vocabulary:
    """A vocabulary of the local descriptors of some of the photos, always the same ones.

    Args:
        words: how many it is to have.
        files: the photos.
        learning: told how many of how many photos are read.

    Raises:
        SettingsError: the photos have too few local descriptors for so many words.
    """
    most = min(_PER_WORD * words, _MOST)
    few = min(len(files), max(_FEW, most // _OF_PHOTO))
    some = sorted(random.Random(0).sample(range(len(files)), few))  # noqa: S311 - no secret

    def pixels() -> Iterator[Tensor]:
        for done, place in enumerate(some, 1):
            with contextlib.suppress(PhotoError):  # told of when it is described
                yield read_photo(files[place].path).pixels
            if learning is not None:
                learning(done, len(some))

    descriptors = training_descriptors(pixels(), SIFT(), most=most, seed=0)
    try:
        return Vocabulary.train(descriptors, words, seed=0)
    except ValueError as error:
        raise SettingsError(f"--words {words}: {error}") from error
