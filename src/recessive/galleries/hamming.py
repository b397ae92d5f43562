"""Exact search among codes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.codes import pack
from recessive.galleries.gallery import Gallery, check_pairs, chunks

_BLOCK = 1 << 14  # words compared at a time, so that they fit the processor's cache


class HammingGallery(Gallery[Tensor]):
    """Codes of ±1 (N, bits), held packed; a distance is the number of bits that differ, int16.

    Args:
        bits: the length of a code.
    """

    def __init__(self, bits: int) -> None:
        if bits < 1:
            raise ValueError(f"codes need at least one bit: {bits}")
        self.bits = bits
        self._batches: list[NDArray[np.uint64]] = []  # joined by the first search, so that small additions stay cheap

    def __len__(self) -> int:
        """The number of codes."""
        return sum(map(len, self._batches))

    def _pack(self, codes: Tensor) -> NDArray[np.uint64]:
        if codes.ndim != 2 or codes.shape[1] != self.bits:
            raise ValueError(f"this gallery takes codes (N, {self.bits}), not {tuple(codes.shape)}")
        packed = pack(codes).numpy()
        words = np.zeros((len(packed), -(-self.bits // 64)), np.uint64)
        words.view(np.uint8)[:, : packed.shape[1]] = packed
        return words

    def add(self, items: Tensor) -> None:
        """Appends codes of ±1 (N, bits)."""
        self._batches.append(self._pack(items))

    def distances(self, queries: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """See `Gallery`."""
        packed = self._pack(queries)
        if len(self._batches) != 1:
            self._batches = [np.concatenate([packed[:0], *self._batches])]
        (held,) = self._batches
        for some in chunks(len(packed), len(held)):
            total = np.zeros((some.stop - some.start, len(held)), np.int16)
            for row, words in zip(total, packed[some], strict=True):
                for start in range(0, len(held), _BLOCK):
                    block = slice(start, start + _BLOCK)
                    for column, word in enumerate(words):
                        row[block] += np.bitwise_count(held[block, column] ^ word)
            yield some, torch.from_numpy(total)

    def between(self, first: Tensor, second: Tensor) -> Tensor:
        """See `Gallery`."""
        check_pairs(first, second)
        different = np.bitwise_count(self._pack(first) ^ self._pack(second))
        return torch.from_numpy(different.sum(axis=1).astype(np.int16))
