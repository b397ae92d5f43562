"""The arrays of an inverted file, as a file holds them, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS: dict[str, type[np.generic]] = {
    "offsets": np.int64,
    "photos": np.int32,
    "signatures": np.uint64,
    "frequencies": np.int64,
    "squared_norms": np.float64,
}


def check_arrays(arrays: Mapping[str, NDArray[Any]], words: int) -> dict[str, NDArray[Any]]:
    """The arrays of `InvertedFile.arrays`, neither copied nor written to, so that no search in them can go astray.

    All but the signatures are read once.

    Raises:
        ValueError: one is missing, or they do not fit each other or a vocabulary of that many words.
    """
    missing = sorted(_KINDS.keys() - arrays.keys())
    if missing:
        raise ValueError(f"an inverted file also has the arrays {', '.join(missing)}")
    held = {name: np.asarray(arrays[name]) for name in _KINDS}
    for name, kind in _KINDS.items():
        _need(words, f"{name} are {held[name].dtype}, not {np.dtype(kind)}", holds=held[name].dtype == kind)
    norms = held["squared_norms"]
    features, photos = held["photos"].size, norms.shape[-1] if norms.ndim else 0
    shapes = {
        "offsets": (words + 1,),
        "photos": (features,),
        "signatures": (features,),
        "frequencies": (words,),
        "squared_norms": (2, photos),
    }
    for name, shape in shapes.items():
        _need(words, f"{name} have the shape {held[name].shape}, not {shape}", holds=held[name].shape == shape)
    _check_entries(held["offsets"], held["photos"], photos, words)
    counts = np.diff(held["offsets"])
    possible = (held["frequencies"] >= np.minimum(counts, 1)) & (held["frequencies"] <= np.minimum(counts, photos))
    _need(words, "frequencies do not fit the offsets", holds=possible.all())
    finite = (norms >= 0) & (norms < np.inf)
    _need(words, "squared_norms are not all finite and at least 0", holds=finite.all())
    return held


def _check_entries(offsets: NDArray[np.int64], photos: NDArray[np.int32], count: int, words: int) -> None:
    up = offsets[0] == 0 and offsets[-1] == len(photos) and (offsets[1:] >= offsets[:-1]).all()
    _need(words, f"offsets do not go up from 0 to {len(photos)}, the number of features", holds=up)
    inside = not len(photos) or 0 <= photos.min() <= photos.max() < count
    _need(words, f"not all photos are among {count}", holds=inside)
    back = 1 + np.flatnonzero(photos[1:] < photos[:-1])
    _need(words, "the photos of a word are not in order", holds=np.isin(back, offsets).all())


def _need(words: int, otherwise: str, *, holds: bool | np.bool_) -> None:
    if not holds:
        raise ValueError(f"these are not the arrays of an inverted file of {words} words: {otherwise}")
