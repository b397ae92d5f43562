"""GreedyHash: classification of the code itself, with a straight-through gradient of the sign."""

from __future__ import annotations

import math

from torch import Tensor

from recessive.codes import sign_straight_through
from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.terms import classification_loss, make_classifier

PENALTY = 0.1  # weight of the distance from ±1


class GreedyHash(HashLoss):
    """Cross-entropy of a classifier of the code, and a cubic pull of the logits towards ±1.

        L = mean_i CE(W sign(u_i), label_i)  +  0.1 mean_{i,bits} | |u_i| − 1 |³

    The gradient of the sign is that of the identity everywhere; W has no bias.

    Source: Su, Zhang, Han and Tian, "Greedy hash: towards fast optimization for accurate hash coding in CNN", NeurIPS
    2018, section 3, and the authors' PyTorch code.

    Departures:
        - Several labels: binary cross-entropies, summed over labels.
        - sign(0) = +1, as everywhere here; torch's is 0.
    """

    def __init__(self, context: LossContext) -> None:
        super().__init__()
        self.classifier = make_classifier(context.bits, context.classes, bias=False, seed=context.seed)

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """See `HashLoss`."""
        codes = sign_straight_through(logits, clip=math.inf)
        penalty = (logits.abs() - 1).abs().pow(3).mean()
        return classification_loss(self.classifier(codes), labels) + PENALTY * penalty
