"""Thresholds: the distance T at which a searcher would cut its results, chosen on labelled photos.

Xiao, Wang, Gao, CVPR 2020, section 5: T of the best F1 score, and T of the best precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Threshold:
    """A threshold and the figures of a search within it.

    Attributes:
        threshold: T; a query returns all photos at distance ≤ T.
        precision: mean over queries of relevant returned / returned; 0 for a query that returns nothing.
        recall: mean over queries of relevant returned / relevant.
    """

    threshold: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """F1 = 2PR / (P + R) of the mean precision and the mean recall; 0 if both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def sweep(distances: Tensor, relevant: Tensor, candidates: Tensor) -> list[Threshold]:
    """Returns precision and recall at each candidate threshold.

    Args:
        distances: the distance of each query to each gallery photo (Q, N).
        relevant: whether the photo is relevant to the query (Q, N), bool; each query needs at least one.
        candidates: the thresholds (C,).

    Raises:
        ValueError: if shapes differ, or a query has no relevant photo.
    """
    if distances.shape != relevant.shape:
        raise ValueError(f"distances {tuple(distances.shape)} and relevant {tuple(relevant.shape)} must match")
    total = relevant.sum(1)
    if not bool((total > 0).all()):
        raise ValueError("each query needs at least one relevant photo")
    found = []
    for candidate in candidates.tolist():
        returned = distances <= candidate
        hits = (returned & relevant).sum(1)
        precision = (hits / returned.sum(1).clamp(min=1)).mean()
        found.append(Threshold(candidate, float(precision), float((hits / total).mean())))
    return found


def best_f1(distances: Tensor, relevant: Tensor, candidates: Tensor) -> Threshold:
    """Returns the candidate with the highest F1, the smallest of equals; see `sweep`."""
    return max(sweep(distances, relevant, candidates), key=lambda found: (found.f1, -found.threshold))


def best_precision(distances: Tensor, relevant: Tensor, candidates: Tensor) -> Threshold:
    """Returns the candidate with the highest precision, the smallest of equals; see `sweep`."""
    return max(sweep(distances, relevant, candidates), key=lambda found: (found.precision, -found.threshold))


def hamming_candidates(bits: int) -> Tensor:
    """Returns all Hamming distances: 0, 1, …, bits."""
    return torch.arange(bits + 1, dtype=torch.float32)


def cosine_candidates(steps: int = 200) -> Tensor:
    """Returns the cosine distances 0, 1/steps, …, 1; nobody searches beyond a right angle."""
    return torch.linspace(0, 1, steps + 1)
