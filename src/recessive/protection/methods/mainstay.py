"""Mainstay: away from the class' code, weighted by shared labels, with a loss for the unturned bits (SAAT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.constants import Whole
from recessive.protection.method import Budget, Method, Need, Run, Surrogate, descend, same_class, sample_of
from recessive.protection.methods.centre_code import centre_code
from recessive.protection.objectives.unturned_bits import UnturnedBits
from recessive.protection.optimise import Minimised
from recessive.protection.steps import Sign


def label_cosine(surrogate: Surrogate, run: Run) -> Tensor:
    """w_ij = y_i·y_j / (||y_i|| ||y_j||), y ∈ {0, 1}^L: (N, S); 1 for the same class and 0 for another, of one each.

    Raises:
        MethodError: see `same_class`.
    """
    same = same_class(surrogate, run)
    if run.labels is None or surrogate.labels is None or run.labels.ndim == 1:
        return same.to(sample_of(surrogate))
    rows, columns = (F.normalize(labels.to(sample_of(surrogate))) for labels in (run.labels, surrogate.labels))
    return rows @ columns.T


@dataclass(frozen=True)
class Mainstay(Method):
    """Be unlike the mainstay code of the photo's class; see `centre_code`, `label_cosine` and `UnturnedBits`.

    Attributes:
        size: of a step in 1/255.
    """

    name: str = "mainstay"
    summary: str = "turns the bits of the class' code, weighted by shared labels, the unturned ones first"
    paper: str = (
        "Yuan, Zhang, Wang, Wu, SAAT, IEEE TIFS 2023: the mainstay code (the pharos code of other work by the same "
        "group); weights, loss and schedule of its released code"
    )
    departures: str = (
        "with one label a photo the code is that of centre-code, and the loss alone differs. Codes are the owner's "
        "sample, not the training set; the released mean over the unturned bits of a whole batch becomes one of each "
        "photo, with the same direction of steps"
    )
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = frozenset({"gradients", "sample", "labels"})
    budget: Budget = 8.0
    steps: Whole = 100
    size: float = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [UnturnedBits(centre_code(label_cosine(each, run), sample_of(each))) for each in surrogates]
        start = run.ball.random_start(photos, run.seeds)
        return descend(photos, surrogates, objectives, run, step=Sign(self.size), start=start)
