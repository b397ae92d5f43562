"""Clusters of codes (CWDM)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

MIN_SAMPLES = 5  # of DBSCAN, scikit-learn's default
NOISE = -1


def k_means(codes: Tensor, clusters: int, seed: int = 0) -> Tensor:
    """Lloyd's k-means, begun by k-means++: the cluster of each code (N,), int64, 0, …, k − 1.

    Args:
        codes: ±1, (N, m).
        clusters: k; at most as many are made as there are different codes.
        seed: of its beginning; the released code uses 0 as well.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - slow to import, and only this method needs it

    points = _points(codes)
    different = len(np.unique(points, axis=0))
    fitted = KMeans(min(clusters, different), random_state=seed, n_init=1).fit(points)
    _, labels = np.unique(fitted.labels_, return_inverse=True)  # no cluster is empty
    return torch.from_numpy(labels.reshape(-1).astype(np.int64)).to(codes.device)


def dbscan(codes: Tensor, eps: float) -> Tensor:
    """DBSCAN: the cluster of each code (N,), int64; `NOISE` for those in none. There may be no cluster at all.

    Codes that differ in h bits are 2√h apart: below ε = 2 only equal codes are neighbours, from 2 on those within one
    bit, from 2.83 within two, from 3.46 within three. A code with `MIN_SAMPLES` neighbours, itself among them, is the
    core of a cluster. Equal codes are one point with a weight, which gives the same clusters in less memory.

    Args:
        codes: ±1, (N, m).
        eps: ε, Euclidean distance up to which codes are neighbours.
    """
    from sklearn.cluster import DBSCAN  # noqa: PLC0415 - see k_means

    points, where, count = np.unique(_points(codes), axis=0, return_inverse=True, return_counts=True)
    found = DBSCAN(eps=eps, min_samples=MIN_SAMPLES).fit(points, sample_weight=count)
    return torch.from_numpy(found.labels_.astype(np.int64)[where.reshape(-1)]).to(codes.device)


def _points(codes: Tensor) -> np.ndarray:
    """Codes as scikit-learn takes them."""
    return codes.cpu().numpy().astype(np.float64)
