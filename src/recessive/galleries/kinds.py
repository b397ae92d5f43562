"""Kinds of galleries: how each is made of what encoders give, and how it lies in an index file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.codes import pack, unpack
from recessive.galleries.dense import DenseGallery
from recessive.galleries.gallery import Gallery
from recessive.galleries.hamming import HammingGallery
from recessive.galleries.inverted_file import InvertedFile, Scoring
from recessive.galleries.measures import Measure, cosine_distances, euclidean_distances, tanimoto_distances
from recessive.visual_words import VisualWords

_MEASURES: dict[str, Measure] = {
    "cosine": cosine_distances,
    "euclidean": euclidean_distances,
    "tanimoto": tanimoto_distances,
}


class GalleryKind(Protocol):
    """A kind of gallery with its constants. An item is what one photo gives: a tensor (D,), or its visual words."""

    def empty(self) -> Gallery[Any]:
        """A gallery without items."""
        ...

    def batch(self, items: Sequence[Any]) -> Any:  # noqa: ANN401 - whatever galleries of the kind take
        """Items as its galleries add and search them."""
        ...

    def arrays(self, items: Sequence[Any]) -> dict[str, NDArray[Any]]:
        """A gallery of items, ready to search, as arrays by name."""
        ...

    def gallery(self, arrays: Mapping[str, NDArray[Any]]) -> Gallery[Any]:
        """The gallery that arrays hold.

        Raises:
            ValueError: they do not fit this kind, or each other.
        """
        ...

    def items(self, arrays: Mapping[str, NDArray[Any]]) -> Sequence[Any]:
        """What a gallery was made of, from its arrays."""
        ...

    def score(self, distance: float) -> float:
        """How like two items at a distance are: at most 1, which is at distance 0."""
        ...


@dataclass(frozen=True)
class OfCodes:
    """Codes of ±1, packed; the score is the share of bits that agree.

    Attributes:
        bits: length of a code.
    """

    bits: int

    def empty(self) -> HammingGallery:
        """See `GalleryKind`."""
        return HammingGallery(self.bits)

    def batch(self, items: Sequence[Tensor]) -> Tensor:
        """(N, bits)."""
        return torch.stack(list(items)) if items else torch.empty(0, self.bits)

    def arrays(self, items: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
        """`codes`: (N, ⌈bits/8⌉), uint8, see `recessive.codes.pack`."""
        return {"codes": pack(self.batch(items)).numpy()}

    def gallery(self, arrays: Mapping[str, NDArray[Any]]) -> HammingGallery:
        """See `GalleryKind`."""
        gallery = self.empty()
        gallery.add(self._codes(arrays))
        return gallery

    def items(self, arrays: Mapping[str, NDArray[Any]]) -> Sequence[Tensor]:
        """See `GalleryKind`."""
        return list(self._codes(arrays))

    def _codes(self, arrays: Mapping[str, NDArray[Any]]) -> Tensor:
        return unpack(_one(arrays, "codes"), self.bits).float()

    def score(self, distance: float) -> float:
        """1 − distance / bits."""
        return 1 - distance / self.bits


@dataclass(frozen=True)
class OfDescriptors:
    """Descriptors, as float32; the score is 1 − distance, but 1 / (1 + distance) by the Euclidean measure.

    Attributes:
        dim: length of a descriptor.
        measure: cosine, euclidean or tanimoto.
    """

    dim: int
    measure: str = "cosine"

    def empty(self) -> DenseGallery:
        """See `GalleryKind`."""
        return DenseGallery(self.dim, _MEASURES[self.measure])

    def batch(self, items: Sequence[Tensor]) -> Tensor:
        """(N, dim)."""
        return torch.stack(list(items)).float() if items else torch.empty(0, self.dim)

    def arrays(self, items: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
        """`descriptors`: (N, dim), float32."""
        return {"descriptors": self.batch(items).numpy()}

    def gallery(self, arrays: Mapping[str, NDArray[Any]]) -> DenseGallery:
        """See `GalleryKind`."""
        gallery = self.empty()
        gallery.add(_one(arrays, "descriptors"))
        return gallery

    def items(self, arrays: Mapping[str, NDArray[Any]]) -> Sequence[Tensor]:
        """See `GalleryKind`."""
        return list(_one(arrays, "descriptors"))

    def score(self, distance: float) -> float:
        """See the class."""
        return 1 / (1 + distance) if self.measure == "euclidean" else 1 - distance


@dataclass(frozen=True)
class OfWords:
    """Visual words in an inverted file, which is searched where it lies; the score is 1 − distance.

    Attributes:
        words: how many the vocabulary has.
        scoring: of `InvertedFile`.
    """

    words: int
    scoring: Scoring

    def empty(self) -> InvertedFile:
        """See `GalleryKind`."""
        return InvertedFile(self.words, self.scoring)

    def batch(self, items: Sequence[VisualWords]) -> Sequence[VisualWords]:
        """As they are."""
        return items

    def arrays(self, items: Sequence[VisualWords]) -> dict[str, NDArray[Any]]:
        """See `InvertedFile.arrays`."""
        gallery = self.empty()
        gallery.add(items)
        return gallery.arrays()

    def gallery(self, arrays: Mapping[str, NDArray[Any]]) -> InvertedFile:
        """See `GalleryKind`."""
        return InvertedFile.from_arrays(arrays, self.words, self.scoring)

    def items(self, arrays: Mapping[str, NDArray[Any]]) -> Sequence[VisualWords]:
        """See `GalleryKind`."""
        return self.gallery(arrays).photos()

    def score(self, distance: float) -> float:
        """1 − distance."""
        return 1 - distance


def _one(arrays: Mapping[str, NDArray[Any]], name: str) -> Tensor:
    if name not in arrays:
        raise ValueError(f"there are no {name}")
    return torch.from_numpy(arrays[name])
