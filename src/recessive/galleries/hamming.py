"""Exact search among codes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from recessive.codes import pack
from recessive.galleries import nearest
from recessive.galleries.gallery import SCRATCH_VALUES, Hits

_BLOCK = 1 << 14  # words compared at a time: what fits the processor's cache
_Words = np.ndarray[tuple[int, ...], np.dtype[np.uint64]]


class HammingGallery:
    """Codes of ±1, held packed: distance is the number of bits that differ. Implements `Gallery[Tensor]`.

    Args:
        bits: length of a code.
    """

    unrelated = math.inf  # every pair has a distance

    def __init__(self, bits: int) -> None:
        if bits < 1:
            raise ValueError(f"codes need at least one bit: {bits}")
        self.bits = bits
        self._parts: list[_Words] = []  # joined when first searched, so that many small additions stay cheap

    def __len__(self) -> int:
        """How many codes it holds."""
        return sum(len(part) for part in self._parts)

    def _pack(self, codes: Tensor) -> _Words:
        if codes.ndim != 2 or codes.shape[1] != self.bits:
            raise ValueError(f"this gallery takes codes (N, {self.bits}), not {tuple(codes.shape)}")
        packed = pack(codes).numpy()
        words: _Words = np.zeros((len(packed), -(-self.bits // 64)), np.uint64)
        words.view(np.uint8)[:, : packed.shape[1]] = packed
        return words

    def _words(self) -> _Words:
        if len(self._parts) != 1:
            self._parts = [np.concatenate([np.empty((0, -(-self.bits // 64)), np.uint64), *self._parts])]
        return self._parts[0]

    def add(self, items: Tensor) -> None:
        """Append codes of ±1 (N, bits)."""
        self._parts.append(self._pack(items))

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Distances (few, len), int16, a few queries at a time."""
        asked, held = self._pack(queries), self._words()
        few = max(1, SCRATCH_VALUES // max(1, len(held)))
        for first in range(0, max(1, len(asked)), few):
            some = slice(first, min(first + few, len(asked)))
            total = np.zeros((some.stop - some.start, len(held)), np.int16)
            for row, words in zip(total, asked[some], strict=True):
                for start in range(0, len(held), _BLOCK):
                    block = slice(start, start + _BLOCK)
                    for column, word in enumerate(words):
                        row[block] += np.bitwise_count(held[block, column] ^ word)
            yield some, torch.from_numpy(total)

    def search(self, queries: Tensor, k: int) -> Hits:
        """See `Gallery`; distances are int16."""
        return nearest.search(self, queries, k)

    def count_within(self, queries: Tensor, radius: float) -> Tensor:
        """See `Gallery`."""
        limit = math.floor(min(max(radius, -1), self.bits))
        counts = torch.zeros(len(queries), dtype=torch.int64)
        for some, distances in self.distances(queries):
            counts[some] = (distances <= limit).sum(dim=1)
        return counts

    def between(self, first: Tensor, second: Tensor) -> Tensor:
        """See `Gallery`; distances are int16."""
        if len(first) != len(second):
            raise ValueError(f"pairs need as many of the one as of the other: {len(first)} and {len(second)}")
        different = np.bitwise_count(self._pack(first) ^ self._pack(second))
        return torch.from_numpy(different.sum(axis=1).astype(np.int16))
