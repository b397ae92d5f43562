"""Classifiers on top of codes, and their cross-entropy for one label and for several."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_classifier(bits: int, classes: int, *, bias: bool, seed: int) -> nn.Linear:
    """A linear layer with weights uniform in ±1/√bits, as torch's own are, but drawn from a seed of its own."""
    layer: nn.Linear = torch.nn.utils.skip_init(nn.Linear, bits, classes, bias=bias)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-(bits**-0.5), bits**-0.5, generator=generator)
    return layer


def classification_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean over photos of the softmax cross-entropy; with several labels, of the binary ones, summed over labels.

    The sum, not the mean, keeps the size of the gradient that a label sends into the code whatever their number.

    Args:
        scores: (N, classes).
        labels: (N,) int64, or (N, classes) bool.
    """
    if labels.ndim == 1:
        return F.cross_entropy(scores, labels)
    return F.binary_cross_entropy_with_logits(scores, labels.to(scores.dtype), reduction="sum") / len(scores)
