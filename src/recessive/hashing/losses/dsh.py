"""DSH: contrastive distances, and logits near ±1."""

from __future__ import annotations

import torch
from torch import Tensor

from recessive.class_labels import relevant
from recessive.hashing.losses.loss import HashLoss, LossContext

MARGIN = 2.0  # squared distance per bit at which dissimilar photos are far enough apart
ALPHA = 0.01  # weight of the regulariser


class DSH(HashLoss):
    """Contrastive loss of squared distances between logits, and their distance from ±1.

        L = mean_{i<j} ½ [ s_ij d_ij + (1 − s_ij) max(0, m − d_ij) ]  +  α mean_i Σ_bits | |u_i| − 1 |
        d_ij = ‖u_i − u_j‖²,    m = 2 bits,    α = 0.01

    Distances, margin and regulariser are sums over bits, never means: a mean would change what α means.

    Source: Liu, Wang, Shan and Chen, "Deep supervised hashing for fast image retrieval", CVPR 2016, section 3.1, and
    the authors' Caffe code.

    Departures:
        - The regulariser counts once per photo. The paper has it for both photos of each pair; as a mean over pairs,
          that is twice ours.
    """

    def __init__(self, context: LossContext) -> None:
        super().__init__()
        self.margin = MARGIN * context.bits

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """See `HashLoss`."""
        squares = logits.square().sum(dim=1)
        distances = squares[:, None] + squares - 2 * logits @ logits.T
        far = torch.relu(self.margin - distances)
        pairs = 0.5 * torch.where(relevant(labels, labels), distances, far).triu(1)
        count = max(1, len(logits) * (len(logits) - 1) // 2)
        return pairs.sum() / count + ALPHA * (logits.abs() - 1).abs().sum(dim=1).mean()
