"""Exact search among codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recessive.codes import pack
from recessive.galleries.gallery import SCRATCH_VALUES, Hits

if TYPE_CHECKING:
    from collections.abc import Iterator


class HammingGallery:
    """Codes of ±1, held packed: distance is the number of bits that differ. Implements `Gallery`.

    Args:
        bits: length of a code.
    """

    def __init__(self, bits: int) -> None:
        if bits < 1:
            raise ValueError(f"codes need at least one bit: {bits}")
        self.bits = bits
        self._words: np.ndarray[tuple[int, ...], np.dtype[np.uint64]] = np.empty((0, -(-bits // 64)), np.uint64)

    def __len__(self) -> int:
        """How many codes it holds."""
        return len(self._words)

    def _pack(self, codes: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
        if codes.ndim != 2 or codes.shape[1] != self.bits:
            raise ValueError(f"this gallery takes codes of shape (N, {self.bits}), not {tuple(codes.shape)}")
        packed = pack(codes).numpy()
        filled = np.zeros((len(packed), self._words.shape[1] * 8), np.uint8)
        filled[:, : packed.shape[1]] = packed
        return filled.view(np.uint64)

    def add(self, items: Tensor) -> None:
        """Append codes of ±1 (N, bits)."""
        self._words = np.concatenate([self._words, self._pack(items)])

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Distances (few, len), int16, a few queries at a time."""
        words = self._pack(queries)
        few = max(1, SCRATCH_VALUES // max(1, len(self)))
        for first in range(0, len(words), few):
            some = slice(first, min(first + few, len(words)))
            total = np.zeros((some.stop - some.start, len(self)), np.int16)
            for column in range(words.shape[1]):
                total += np.bitwise_count(words[some, None, column] ^ self._words[None, :, column])
            yield some, torch.from_numpy(total)

    def search(self, queries: Tensor, k: int) -> Hits:
        """See `Gallery`."""
        found = []
        for _, distances in self.distances(queries):
            order = torch.from_numpy(np.argsort(distances.numpy(), axis=1, kind="stable")[:, :k])
            found.append((distances.gather(1, order), order))
        if not found:
            empty = torch.empty(0, min(k, len(self)), dtype=torch.int64)
            return Hits(empty, empty)
        return Hits(torch.cat([part for part, _ in found]), torch.cat([part for _, part in found]))

    def count_within(self, queries: Tensor, radius: float) -> Tensor:
        """See `Gallery`."""
        counts = torch.zeros(len(queries), dtype=torch.int64)
        for some, distances in self.distances(queries):
            counts[some] = (distances <= radius).sum(1)
        return counts
