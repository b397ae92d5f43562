"""Where a searcher would cut: thresholds T chosen on labelled photos.

Xiao, Wang, Gao, CVPR 2020, section 5: T of the best F1 score, and T of the best precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Threshold:
    """A threshold and what a search within it reaches.

    Attributes:
        threshold: T; a query returns what lies at distance ≤ T.
        precision: mean over queries of relevant returned / returned, 0 where nothing is returned.
        recall: mean over queries of relevant returned / relevant.
    """

    threshold: float
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """F1 = 2PR / (P + R) of the mean precision and the mean recall; 0 when both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def sweep(distances: Tensor, relevant: Tensor, candidates: Tensor) -> list[Threshold]:
    """Precision and recall at each candidate threshold.

    Args:
        distances: of each query to each gallery photo (Q, N).
        relevant: whether they show the same (Q, N), bool; each query needs one relevant photo at least.
        candidates: thresholds (C,).

    Raises:
        ValueError: shapes differ, or a query has no relevant photo.
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
    """The candidate with the highest F1; the smallest of equals. Arguments as in `sweep`."""
    return max(sweep(distances, relevant, candidates), key=lambda found: (found.f1, -found.threshold))


def best_precision(distances: Tensor, relevant: Tensor, candidates: Tensor) -> Threshold:
    """The candidate with the highest precision, empty results counting 0; the smallest of equals."""
    return max(sweep(distances, relevant, candidates), key=lambda found: (found.precision, -found.threshold))


def hamming_candidates(bits: int) -> Tensor:
    """All Hamming distances: 0, 1, …, bits."""
    return torch.arange(bits + 1, dtype=torch.float32)


def cosine_candidates(steps: int = 200) -> Tensor:
    """Cosine distances 0, 1/steps, …, 1: beyond a right angle nobody searches."""
    return torch.linspace(0, 1, steps + 1)
