"""What a gallery can do, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

Items = TypeVar("Items", bound=Sized)
Items_contra = TypeVar("Items_contra", bound=Sized, contravariant=True)

SCRATCH_VALUES = 4_000_000  # distances held at a time: at most 16 MiB, or one query's where the gallery is larger


@dataclass(frozen=True)
class Hits:
    """The first k results of each query, nearest first, equal distances ordered by gallery index.

    Attributes:
        distances: (Q, k).
        indices: (Q, k), places in the gallery.
    """

    distances: Tensor
    indices: Tensor


class Gallery(Protocol[Items_contra]):
    """The searchable collection, of whatever an encoder gives: codes or descriptors (N, D), or bags of visual words."""

    @property
    def unrelated(self) -> float:
        """The distance of items that share nothing, which no search returns; infinite where there is no such thing."""
        ...

    def __len__(self) -> int:
        """How many items it holds."""
        ...

    def add(self, items: Items_contra) -> None:
        """Append N items; indices go on from the last."""
        ...

    def distances(self, queries: Items_contra) -> Iterator[tuple[slice, Tensor]]:
        """Distances to all items, a few queries at a time: (which queries, (few, len)). At least one part."""
        ...

    def search(self, queries: Items_contra, k: int) -> Hits:
        """The k nearest items of each query; all of them when k is larger, and none of an empty gallery.

        Raises:
            ValueError: k < 1.
        """
        ...

    def count_within(self, queries: Items_contra, radius: float) -> Tensor:
        """How many items lie at distance ≤ radius of each query: (Q,), int64."""
        ...

    def between(self, first: Items_contra, second: Items_contra) -> Tensor:
        """Distances of N pairs that need not be in the gallery, as it would measure them: (N,).

        Raises:
            ValueError: not as many of the one as of the other.
        """
        ...
