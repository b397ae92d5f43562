"""CWDM: cluster-based weighted distance maximisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from recessive.protection.method import Run, Surrogate, check, descend, sample_of
from recessive.protection.objectives import fit_curves
from recessive.protection.steps import SGD, MomentumSign, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from recessive.encoders import Outputs
    from recessive.protection.method import Need
    from recessive.protection.optimise import Minimised

CLUSTERS = 20
# The released code takes 0.1/255 of the gradient of curves that count members among CIFAR-10's 50,000 photos; ours
# are shares of the sample, so that the step does not depend on its size.
RELEASED_RATE = 0.1 * 50_000


@dataclass(frozen=True)
class CWDM:
    """Walk to where the fitted curves of all clusters are low; see `ClusterCurves`.

    Attributes:
        step: the gradient itself with momentum, as released; or its sign, which no photo size or scale of the curves
            can starve.
    """

    name: str = "cwdm"
    summary: str = "cluster-based weighted distance maximisation: keeps away from dense clusters of codes"
    paper: str = "Xiao, Wang, Gao, CVPR 2020, Eq. 5-9"
    departures: str = (
        "F_i counts members at distance ≥ d and is not squared, and the step descends, as in the released code (the "
        "paper's text reads otherwise and would pull photos into clusters); a ball of 8/255 where the released code "
        "has none; curves are shares of the sample and the rate is scaled to match"
    )
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = frozenset({"gradients", "sample"})
    budget: float = 8.0
    steps: int = 100
    step: Step = field(default_factory=lambda: SGD(RELEASED_RATE))

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        objectives = [fit_curves(sample_of(surrogate), CLUSTERS) for surrogate in surrogates]
        return descend(photos, surrogates, objectives, run, step=self.step)


CWDM_SIGN = CWDM(
    name="cwdm-sign",
    summary="CWDM with momentum-sign steps, which move whatever the gradient's scale",
    departures="as cwdm, with the sign of the momentum for a step",
    step=MomentumSign(1.0),
)
