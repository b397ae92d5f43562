"""The nearest items of a gallery, under the one rule for ties: equal distances are ordered by index."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recessive.galleries.gallery import Gallery, Hits, Items


def sort_keys(distances: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[Any]]:
    """Distances (Q, N) as NumPy sorts them fastest; a stable argsort of a row is the order of its results.

    Whole numbers below 256 become bytes, which NumPy sorts by counting: one pass, and ties stay in the order of their
    index.
    """
    values = distances.numpy()
    if values.size and np.issubdtype(values.dtype, np.integer) and values.min() >= 0 and values.max() < 256:
        return values.astype(np.uint8)
    return values


def nearest(distances: Tensor, k: int) -> Hits:
    """The k smallest of each row of (Q, N), k ≤ N, by (distance, index).

    A partial selection: what is nearer than the k-th distance, and of the items at it those of smallest
    index.
    """
    if k == 0:
        return Hits(distances[:, :0], torch.empty(len(distances), 0, dtype=torch.int64))
    farthest = distances.topk(k, dim=1, largest=False, sorted=False).values.amax(dim=1, keepdim=True)
    nearer, ties = distances < farthest, distances == farthest
    missing = k - nearer.sum(dim=1, keepdim=True)
    kept = nearer | (ties & (ties.cumsum(dim=1, dtype=torch.int32) <= missing))
    indices = kept.nonzero()[:, 1].view(len(distances), k)
    values, places = distances.gather(1, indices).sort(dim=1, stable=True)
    return Hits(values, indices.gather(1, places))


def search(gallery: Gallery[Items], queries: Items, k: int) -> Hits:
    """`Gallery.search` by way of `Gallery.distances`.

    Raises:
        ValueError: k < 1.
    """
    if k < 1:
        raise ValueError(f"k counts results, at least 1: {k}")
    parts = [nearest(distances, min(k, len(gallery))) for _, distances in gallery.distances(queries)]
    return Hits(torch.cat([part.distances for part in parts]), torch.cat([part.indices for part in parts]))


def rank(gallery: Gallery[Items], queries: Items, indices: Tensor) -> Tensor:
    """At which place of its results each query returns one given item, the first being 1: (Q,), int64.

    rank = 1 + (items nearer) + (items as near with a smaller index)

    Args:
        gallery: what is searched.
        queries: (Q, D).
        indices: of the item looked for, one a query (Q,), int64.

    Raises:
        ValueError: not one index a query, or one outside the gallery.
    """
    if indices.shape != (len(queries),):
        raise ValueError(f"one index a query is needed: {tuple(indices.shape)} for {len(queries)} queries")
    if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < len(gallery):
        raise ValueError(f"indices must lie in a gallery of {len(gallery)}")
    ranks = torch.empty(len(queries), dtype=torch.int64)
    places = torch.arange(len(gallery))
    for some, distances in gallery.distances(queries):
        looked_for = indices[some, None]
        own = distances.gather(1, looked_for)
        before = (distances < own) | ((distances == own) & (places < looked_for))
        ranks[some] = 1 + before.sum(dim=1)
    return ranks
