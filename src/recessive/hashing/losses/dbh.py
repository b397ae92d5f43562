"""DBH: a latent layer of sigmoids under a classifier."""

from __future__ import annotations

import torch
from torch import Tensor

from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.terms import classification_loss, make_classifier


class DBH(HashLoss):
    """Cross-entropy of a linear classifier whose only input is one sigmoid per bit.

        L = mean_i CE(W σ(u_i) + b, label_i)

    A bit is σ(u) ≥ ½, which is u ≥ 0.

    Source: Lin, Yang, Hsiao and Chen, "Deep learning of binary hash codes for fast image retrieval", CVPR workshops
    2015, section 3.2, and the authors' Caffe code.

    Departures:
        - Several labels: binary cross-entropies, summed over labels; the paper has one label per photo only.
        - The latent layer has no bias, which is initialised to 1 there: the normalised hash layer centres each bit.
    """

    def __init__(self, context: LossContext) -> None:
        super().__init__()
        self.classifier = make_classifier(context.bits, context.classes, bias=True, seed=context.seed)

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """See `HashLoss`."""
        return classification_loss(self.classifier(torch.sigmoid(logits)), labels)
