"""Losses of pairs of photos: similar when they share a label."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PAIR_SCALE = 10.0  # θ = PAIR_SCALE / bits · h_i·h_j, so that θ lies within ±10 at any number of bits
BLOCK = 1024  # label combinations that are compared at once


def share_label(labels: Tensor, others: Tensor) -> Tensor:
    """s_ij: whether photo i of one batch and photo j of another bear the same label, or any label in common.

    `recessive.galleries.relevant` says the same of labels that lie in the processor's memory; this one stays on the
    accelerator.

    Args:
        labels: (N,) int64 or (N, L) bool.
        others: (M,) or (M, L), likewise.

    Returns:
        (N, M), bool.
    """
    if labels.ndim == 1:
        return labels[:, None] == others
    return labels.float() @ others.float().T > 0


def pair_loss(theta: Tensor, similar: Tensor) -> Tensor:
    """−log p(s | θ) of each pair, p(s = 1 | θ) = σ(θ):  log(1 + e^θ) − s θ = softplus(θ or, where similar, −θ).

    The right-hand side neither overflows nor cancels at large |θ|.

    Args:
        theta: of any shape.
        similar: s, bool, of the same shape.
    """
    return F.softplus(torch.where(similar, -theta, theta))


def similar_weight(labels: Tensor) -> float:
    """W = |S| / |S₁|: all pairs of training photos over the similar ones, each photo with itself included.

    With K classes of one size W = K.

    Args:
        labels: of the training photos, (N,) int64 or (N, L) bool.
    """
    kinds, counts = torch.unique(labels, dim=0, return_counts=True)
    counts = counts.double()
    if labels.ndim == 1:
        similar = float(counts.square().sum())
    else:
        blocks = zip(kinds.split(BLOCK), counts.split(BLOCK), strict=True)
        similar = sum(float(some @ (share_label(block, kinds).double() @ counts)) for block, some in blocks)
    return len(labels) ** 2 / max(similar, 1.0)


def weighted_pair_loss(codes: Tensor, labels: Tensor, weight: float) -> Tensor:
    """Σ_{i<j} w_ij (log(1 + e^θ_ij) − s_ij θ_ij) / Σ_{i<j} w_ij,  θ_ij = 10/bits · h_i·h_j; 0 without a pair.

    Args:
        codes: h, relaxed to [−1, 1]: (N, bits).
        labels: (N,) int64 or (N, L) bool.
        weight: w of a similar pair; that of a dissimilar one is 1.
    """
    theta = PAIR_SCALE / codes.shape[1] * (codes @ codes.T)
    similar = share_label(labels, labels)
    weights = (1 + (weight - 1) * similar.to(theta.dtype)).triu(1)
    return (weights * pair_loss(theta, similar)).sum() / weights.sum().clamp(min=1.0)
