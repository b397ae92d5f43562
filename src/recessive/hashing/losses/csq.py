"""CSQ: each class has a code as its centre, and the codes of its photos move there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from recessive.codes import sign
from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.terms import hash_centres, random_codes, similar_weight, weighted_pair_loss

PAIRS = 0.2  # weight of the pair loss
QUANTISATION = 0.05  # weight of the distance from ±1


class CSQ(HashLoss):
    """Binary cross-entropy of each bit with that of the class' centre, a pair loss, and quantisation.

        L = mean_{i,bits} BCE((h_i + 1)/2, (c_i + 1)/2)  +  0.2 L_pairs  +  0.05 mean_{i,bits} (|h_i| − 1)²
        h = tanh(u),    L_pairs = HashNet's loss of h at β = 1

    Centres are rows of [H; −H] with the Hadamard matrix H if the number of bits is a power of two, else random balanced
    codes. With several labels, each bit of c_i is the majority over the centres of the labels; ties, and photos without
    a label, take the bit of one random code that is drawn once.

    Source: Yuan et al., "Central similarity quantization for efficient image and video retrieval", CVPR 2020, section
    3, and the authors' PyTorch code, which added the pairs.

    Departures:
        - Rows of [H; −H] are taken in random order, not from the first. The first rows have columns in common: 10
          classes would share 4 of 64 bits, which a hash layer with mean 0 in each bit cannot produce.
        - Random balanced codes are chosen far from each other; the code takes them as drawn.
        - Pairs are all pairs within the batch; the code crosses its two halves. Their weight W comes from the training
          labels; the code has a constant for each data set (100 for ImageNet-100, as here).
    """

    centres: Tensor
    ties: Tensor

    def __init__(self, context: LossContext) -> None:
        super().__init__()
        self.register_buffer("centres", hash_centres(context.classes, context.bits, context.seed))
        self.register_buffer("ties", random_codes(1, context.bits, context.seed + 1)[0])
        self.weight = similar_weight(context.labels)

    def centres_of(self, labels: Tensor) -> Tensor:
        """The centre of each photo, ±1: (N, bits).

        Args:
            labels: (N,) int64, or (N, L) bool.
        """
        if labels.ndim == 1:
            return self.centres[labels]
        votes = labels.to(self.centres.dtype) @ self.centres
        return torch.where(votes == 0, self.ties, sign(votes))

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """See `HashLoss`."""
        codes = torch.tanh(logits)
        ones = ((self.centres_of(labels) + 1) / 2).to(logits.dtype)
        centre = F.binary_cross_entropy_with_logits(2 * logits, ones)  # (tanh(u) + 1)/2 = σ(2u)
        pairs = weighted_pair_loss(codes, labels, self.weight)
        return centre + PAIRS * pairs + QUANTISATION * (codes.abs() - 1).square().mean()
