"""OrthoHash: the cosine with fixed random codes of the classes, with a margin."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.terms import random_codes

SCALE = 8.0
MARGIN = 0.2  # of the cosine


class OrthoHash(HashLoss):
    """Softmax cross-entropy of the cosines between the logits and one fixed random code of ±1 per class.

        L = mean_i CE(s (cos(u_i, c_k) − m [k is a label of i])_k, label_i),    s = 8, m = 0.2

    With several labels, the target of the softmax is spread evenly over them, and the margin is subtracted from each; a
    photo without labels adds nothing.

    Source: Hoe et al., "One loss for all: deep hashing with a single cosine similarity based learning objective",
    NeurIPS 2021, section 3, and the authors' PyTorch code.

    Departures:
        - Codes are drawn again until all differ, which matters with few bits.
        - m is 0.2 everywhere; the authors use 0.3 on CIFAR-10.
    """

    codes: Tensor

    def __init__(self, context: LossContext) -> None:
        super().__init__()
        self.register_buffer("codes", random_codes(context.classes, context.bits, context.seed))

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """See `HashLoss`."""
        cosines = F.normalize(logits, dim=1) @ F.normalize(self.codes.to(logits.dtype), dim=1).T
        borne = F.one_hot(labels, len(self.codes)) if labels.ndim == 1 else labels
        targets = borne.to(logits.dtype)
        log_shares = F.log_softmax(SCALE * (cosines - MARGIN * targets), dim=1)
        targets = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
        return -(targets * log_shares).sum(dim=1).mean()
