"""Centre code: away from the code that stands for the photo's class (CgAT)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import Whole
from recessive.protection.method import Budget, Method, Need, Run, Surrogate, descend, same_class, sample_of
from recessive.protection.objectives.code_product import CodeProduct
from recessive.protection.optimise import Minimised
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


@dataclass(frozen=True)
class CentreCode(Method):
    """Be unlike the centre code of the photo's class; see `centre_code` and `CodeProduct`.

    Attributes:
        size: of a step in 1/255.
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
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = frozenset({"gradients", "sample", "labels"})
    budget: Budget = 8.0
    steps: Whole = 100
    size: float = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [CodeProduct(centre_code(same_class(each, run), sample_of(each))) for each in surrogates]
        start = run.ball.random_start(photos, run.seeds)
        return descend(photos, surrogates, objectives, run, step=Sign(self.size), start=start)
