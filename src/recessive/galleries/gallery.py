"""What a gallery can do, whatever it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

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


class Gallery(Protocol):
    """The searchable collection."""

    def __len__(self) -> int:
        """How many items it holds."""
        ...

    def add(self, items: Tensor) -> None:
        """Append items (N, D); indices go on from the last."""
        ...

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Distances to all items, a few queries at a time: (which queries, (few, len)). At least one part."""
        ...

    def search(self, queries: Tensor, k: int) -> Hits:
        """The k nearest items of each query; all of them when k is larger, and none of an empty gallery.

        Raises:
            ValueError: k < 1.
        """
        ...

    def count_within(self, queries: Tensor, radius: float) -> Tensor:
        """How many items lie at distance ≤ radius of each query: (Q,), int64."""
        ...
