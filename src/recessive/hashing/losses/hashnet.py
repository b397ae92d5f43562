"""HashNet: weighted pairs, and a tanh that converges to the sign."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.terms import similar_weight, weighted_pair_loss

ITERATIONS = 10_000  # of the published training; ours may have any length
REFRESH = 200  # iterations for which β is constant
GROWTH = 0.005  # of β², per iteration


def continuation(progress: float) -> float:
    """β = √(1 + 0.005 t) with t = 10,000 · progress rounded down to a multiple of 200: from 1 to 7.14."""
    return math.sqrt(1 + GROWTH * (int(progress * ITERATIONS) // REFRESH * REFRESH))


class HashNet(HashLoss):
    """Weighted likelihood of the similarity of pairs, with continuation from tanh to sign.

        L = Σ_{i<j} w_ij [log(1 + e^θ_ij) − s_ij θ_ij] / Σ_{i<j} w_ij
        θ_ij = 10/bits · h_i·h_j,    h = tanh(β u),    w_ij = W = |S|/|S₁| if s_ij else 1

    u are the logits, s_ij = 1 when two photos share a label, |S| counts all pairs of training photos and |S₁| the
    similar ones.

    Source: Cao, Long, Wang and Yu, "HashNet: deep learning to hash by continuation", ICCV 2017, sections 3.1 and 3.2,
    and the authors' PyTorch code.

    Departures:
        - Pairs are all pairs within a batch, each once, without those of a photo with itself; the published code
          crosses two independent batches. One batch costs half as much and has about as many pairs.
        - β depends on the progress of the training, not on a count of iterations, so that its last value is the same
          for any length of training; nothing is lost when a training is resumed.
        - W comes from the labels of the training photos. In the code it is an option (100 for ImageNet-100, the same
          value as ours; by default 1, unweighted). The paper also weights dissimilar pairs; neither the code nor we do.
        - The code replaces the loss by θ (1 − s) above θ = 15, where e^θ might overflow; ours cannot overflow, and
          differs by less than 1e-6 there.
    """

    def __init__(self, context: LossContext) -> None:
        super().__init__()
        self.weight = similar_weight(context.labels)

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """See `HashLoss`."""
        return weighted_pair_loss(torch.tanh(continuation(progress) * logits), labels, self.weight)
