"""DPSH: pairs between the batch and a memory of all training photos."""

from __future__ import annotations

import torch
from torch import Tensor

from recessive.class_labels import relevant
from recessive.codes import sign
from recessive.hashing.losses.loss import HashLoss, LossContext
from recessive.hashing.losses.terms import pair_loss

ETA = 50.0  # weight of the quantisation, per photo of the training split


class DPSH(HashLoss):
    """Likelihood of the pairs between the photos of the batch and all training photos, and quantisation.

        L = 1/(N M) Σ_{i,j} [log(1 + e^θ_ij) − s_ij θ_ij]  +  η/(N n) Σ_i ‖sign(u_i) − u_i‖²,    θ_ij = ½ u_i·U_j

    The batch has N photos, the training split n; U_j are the logits of photo j when it was last in a batch; j runs over
    the M ≤ n photos seen so far. η = 50: once all photos are seen, both terms are divided by N n as in the published
    code, so the quantisation of a photo weighs as much as 50 of its n pairs, and its share of the loss falls with n.

    Source: Li, Wang and Kang, "Feature learning based deep supervised hashing with pairwise labels", IJCAI 2016,
    section 3, and the PyTorch code DPSH-pytorch.

    Departures:
        - A photo that was not seen yet is left out (M instead of n in the first term). In the code its U_j is 0, which
          adds log 2 to the loss but no gradient, and makes the steps of the first epoch smaller by M/n.
        - log(1 + e^θ) cannot overflow.

    A step costs N × n × bits operations and, forward and backward, a few times N × n floats of memory.
    """

    memory: Tensor
    seen: Tensor
    labels: Tensor

    def __init__(self, context: LossContext) -> None:
        super().__init__()
        self.register_buffer("memory", torch.zeros(context.photos, context.bits))
        self.register_buffer("seen", torch.zeros(context.photos, dtype=torch.bool))
        self.register_buffer("labels", context.labels, persistent=False)  # known from the data

    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:  # noqa: ARG002
        """See `HashLoss`; the memory is updated with the batch before the loss is computed."""
        self.memory[rows] = logits.detach().to(self.memory.dtype)
        self.seen[rows] = True
        theta = 0.5 * logits @ self.memory.T
        pairs = pair_loss(theta, relevant(labels, self.labels)).sum(dim=0)
        likelihood = pairs[self.seen].sum() / (len(logits) * self.seen.sum())
        quantisation = (sign(logits.detach()) - logits).square().sum() / (len(logits) * len(self.memory))
        return likelihood + ETA * quantisation
