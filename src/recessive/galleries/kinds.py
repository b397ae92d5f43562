"""Kinds of galleries: how each is made of what encoders return, and how an index file stores it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.codes import pack, unpack
from recessive.galleries.gallery import (
    DenseGallery,
    Gallery,
    HammingGallery,
    Measure,
    cosine_distances,
    euclidean_distances,
    tanimoto_distances,
)
from recessive.galleries.inverted_file import InvertedFile, Scoring
from recessive.visual_words import VisualWords

Item = TypeVar("Item")
Arrays = Mapping[str, NDArray[Any]]

_MEASURES: dict[str, Measure] = {
    "cosine": cosine_distances,
    "euclidean": euclidean_distances,
    "tanimoto": tanimoto_distances,
}


class GalleryKind(ABC, Generic[Item]):
    """A kind of gallery with its constants. An item is what an encoder returns for one photo.

    The representation of a kind, such as ``OfCodes(bits=48)``, enters the digests of index files: a renamed class or
    field would invalidate them.
    """

    @abstractmethod
    def empty(self) -> Gallery[Any]:
        """Returns a gallery without items."""

    @abstractmethod
    def batch(self, items: Sequence[Item]) -> Any:  # noqa: ANN401 - whatever galleries of the kind take
        """Stacks items as galleries of this kind take them."""

    @abstractmethod
    def arrays(self, items: Sequence[Item]) -> dict[str, NDArray[Any]]:
        """Returns the arrays, by name, of a gallery of these items."""

    @abstractmethod
    def gallery(self, arrays: Arrays) -> Gallery[Any]:
        """Returns the gallery of these arrays, ready to search.

        Raises:
            ValueError: if the arrays do not fit this kind, or each other.
        """

    @abstractmethod
    def items(self, arrays: Arrays) -> Sequence[Item]:
        """Returns the items of a gallery from its arrays."""

    def score(self, distance: float) -> float:
        """Returns the similarity of two items: 1 − distance unless the kind says otherwise, at most 1."""
        return 1 - distance


@dataclass(frozen=True)
class OfCodes(GalleryKind[Tensor]):
    """Codes of ±1, stored packed as `codes` (N, ⌈bits/8⌉), uint8; the score is the share of equal bits.

    Attributes:
        bits: the length of a code.
    """

    bits: int

    def empty(self) -> HammingGallery:
        """See `GalleryKind`."""
        return HammingGallery(self.bits)

    def batch(self, items: Sequence[Tensor]) -> Tensor:
        """(N, bits)."""
        return torch.stack(list(items)) if items else torch.empty(0, self.bits)

    def arrays(self, items: Sequence[Tensor]) -> dict[str, NDArray[Any]]:
        """See `GalleryKind`."""
        return {"codes": pack(self.batch(items)).numpy()}

    def gallery(self, arrays: Arrays) -> HammingGallery:
        """See `GalleryKind`."""
        gallery = self.empty()
        gallery.add(self._codes(arrays))
        return gallery

    def items(self, arrays: Arrays) -> Sequence[Tensor]:
        """See `GalleryKind`."""
        return list(self._codes(arrays))

    def _codes(self, arrays: Arrays) -> Tensor:
        return unpack(_tensor(arrays, "codes"), self.bits).float()

    def score(self, distance: float) -> float:
        """1 − distance / bits."""
        return 1 - distance / self.bits


@dataclass(frozen=True)
class OfDescriptors(GalleryKind[Tensor]):
    """Descriptors, stored as `descriptors` (N, dim), float32.

    Attributes:
        dim: the length of a descriptor.
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
        """See `GalleryKind`."""
        return {"descriptors": self.batch(items).numpy()}

    def gallery(self, arrays: Arrays) -> DenseGallery:
        """See `GalleryKind`."""
        gallery = self.empty()
        gallery.add(_tensor(arrays, "descriptors"))
        return gallery

    def items(self, arrays: Arrays) -> Sequence[Tensor]:
        """See `GalleryKind`."""
        return list(_tensor(arrays, "descriptors"))

    def score(self, distance: float) -> float:
        """1 − distance, or 1 / (1 + distance) by the Euclidean measure."""
        return 1 / (1 + distance) if self.measure == "euclidean" else 1 - distance


@dataclass(frozen=True)
class OfWords(GalleryKind[VisualWords]):
    """Visual words, stored as an inverted file that is searched where it lies.

    Attributes:
        words: the size of the vocabulary.
        scoring: the scoring of `InvertedFile`.
    """

    words: int
    scoring: Scoring

    def empty(self) -> InvertedFile:
        """See `GalleryKind`."""
        return InvertedFile(self.words, self.scoring)

    def batch(self, items: Sequence[VisualWords]) -> Sequence[VisualWords]:
        """The items themselves."""
        return items

    def arrays(self, items: Sequence[VisualWords]) -> dict[str, NDArray[Any]]:
        """See `InvertedFile.arrays`."""
        gallery = self.empty()
        gallery.add(items)
        return gallery.arrays()

    def gallery(self, arrays: Arrays) -> InvertedFile:
        """See `GalleryKind`."""
        return InvertedFile.from_arrays(arrays, self.words, self.scoring)

    def items(self, arrays: Arrays) -> Sequence[VisualWords]:
        """See `GalleryKind`."""
        return self.gallery(arrays).photos()


def _tensor(arrays: Arrays, name: str) -> Tensor:
    if name not in arrays:
        raise ValueError(f"there are no {name}")
    return torch.from_numpy(arrays[name])
