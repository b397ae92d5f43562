"""Methods that lead away from one code that stands for the photo's class (centre code and mainstay)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import NotNegative
from recessive.protection.method import GRADIENTS, LOGITS, Method, Need, Run, Surrogate, descend, same_class, sample_of
from recessive.protection.objectives import MeanAgreement, UnturnedBits
from recessive.protection.optimise import Minimised, Objective
from recessive.protection.steps import Sign


def centre_code(similarity: Tensor, sample: Tensor) -> Tensor:
    """c = sign( Σ_g w_g b_g / Σ_g w_g − mean of b_g over w_g = 0 ): like the similar codes, unlike the others.

    Of all codes it has the least mean distance to the similar codes minus the mean distance to the others.

    Args:
        similarity: w ≥ 0 of each photo and each of the sample's (N, S); 0 for dissimilar ones.
        sample: b, codes of ±1 (S, m).

    Returns:
        Codes of ±1 (N, m).
    """
    similar, others = similarity.to(sample), (similarity == 0).to(sample)
    means = [weights @ sample / weights.sum(1, keepdim=True) for weights in (similar, others)]
    return sign(means[0] - means[1])


def label_cosine(surrogate: Surrogate, run: Run) -> Tensor:
    """w_ij = y_i·y_j / (||y_i|| ||y_j||), y ∈ {0, 1}^L: (N, S). With one label each, 1 for the same class and 0 else.

    Raises:
        MethodError: as `same_class`.
    """
    same = same_class(surrogate, run)
    if run.labels is None or surrogate.labels is None or run.labels.ndim == 1:
        return same.to(sample_of(surrogate))
    rows, columns = (F.normalize(labels.to(sample_of(surrogate))) for labels in (run.labels, surrogate.labels))
    return rows @ columns.T


@dataclass(frozen=True)
class CentreCode(Method):
    """Be unlike the centre code of the photo's class; see `centre_code` and `MeanAgreement`.

    Attributes:
        size: the size of a step in 1/255.
    """

    name: str = "centre-code"
    summary: str = "turns the bits of the code that stands for the photo's class against all others"
    paper: str = (
        "Wang, Lin, Li, CgAT, WWW 2023: the centre code in closed form, and the released code's attack; "
        "100 steps of 1/255 as the evaluation of SAAT (Yuan et al. 2023) has them"
    )
    departures: str = (
        "CgAT trains on such photos, made in 7 steps of 2/255; here they are the result. Codes are the owner's sample, "
        "not the training set; similar ones weigh alike, as in CgAT's released code, which computes a weight by "
        "shared labels and drops it"
    )
    accepts: frozenset[Outputs] = LOGITS
    needs: frozenset[Need] = GRADIENTS | {"sample", "labels"}
    size: NotNegative = 1.0

    def objective(self, surrogate: Surrogate, run: Run) -> Objective:
        """Return the objective for one surrogate."""
        return MeanAgreement(centre_code(same_class(surrogate, run), sample_of(surrogate)))

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [self.objective(surrogate, run) for surrogate in surrogates]
        start = run.ball.random_start(photos, run.seeds)
        return descend(photos, surrogates, objectives, run, step=Sign(self.size), start=start)


@dataclass(frozen=True)
class Mainstay(CentreCode):
    """Be unlike the mainstay code of the photo's class; see `centre_code`, `label_cosine` and `UnturnedBits`."""

    name: str = "mainstay"
    summary: str = "turns the bits of the class' code, weighted by shared labels, the unturned ones first"
    paper: str = (
        "Yuan, Zhang, Wang, Wu, SAAT, IEEE TIFS 2023: the mainstay code (the pharos code of other work by the same "
        "group); weights, loss and schedule of its released code"
    )
    departures: str = (
        "with one label per photo the code is that of centre-code, and the loss alone differs. Codes are the owner's "
        "sample, not the training set; the released mean over the unturned bits of a whole batch becomes one of each "
        "photo, with the same direction of steps"
    )

    def objective(self, surrogate: Surrogate, run: Run) -> Objective:
        """Return the objective for one surrogate."""
        return UnturnedBits(centre_code(label_cosine(surrogate, run), sample_of(surrogate)))
