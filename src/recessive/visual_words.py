"""Visual words of a photo, of which a bag of words consists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class VisualWords:
    """One word and one signature per local feature, in no particular order; a photo may have none.

    Attributes:
        words: (K,), int32, positions in a vocabulary.
        signatures: (K,), uint64, 64 bits that describe the position of a feature in the cell of its word.
    """

    words: NDArray[np.int32]
    signatures: NDArray[np.uint64]

    def __post_init__(self) -> None:
        kinds: list[tuple[NDArray[Any], type[Any]]] = [(self.words, np.int32), (self.signatures, np.uint64)]
        if any(values.dtype != kind or values.ndim != 1 for values, kind in kinds):
            raise ValueError("visual words are int32 (K,), their signatures uint64 (K,)")
        if len(self.words) != len(self.signatures):
            raise ValueError(f"each word needs its signature: {len(self.words)} and {len(self.signatures)}")
        if len(self.words) and self.words.min() < 0:
            raise ValueError("a visual word is a position in a vocabulary, at least 0")

    def __len__(self) -> int:
        """The number of local features of the photo."""
        return len(self.words)
