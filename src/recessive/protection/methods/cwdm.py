"""CWDM: cluster-based weighted distance maximisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal, get_args

from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.constants import Count, Positive
from recessive.protection.method import GRADIENTS, LOGITS, Method, MethodError, Need, Run, Surrogate, descend, sample_of
from recessive.protection.objectives.clusters import (
    Centres,
    ClusterCurves,
    CurveKind,
    Relaxation,
    dbscan,
    fit_curves,
    k_means,
)
from recessive.protection.optimise import Minimised
from recessive.protection.steps import SGD, MomentumSign, Step

Clustering = Literal["k-means", "dbscan"]

# The released code takes 0.1/255 of the gradient of curves that count members among CIFAR-10's 50,000 photos; ours
# are shares of the sample, so that the step does not depend on its size.
RELEASED_RATE = 0.1 * 50_000
CLUSTERS = 20  # k for CIFAR-10 in the released code
# A cluster's share is about 1/k, by which squared curves have smaller gradients.
SQUARED_RATE = RELEASED_RATE * CLUSTERS

SUMMARY = "cluster-based weighted distance maximisation: keeps away from dense clusters of codes"
COUNTS = (
    "F_i counts members at distance ≥ d, and the step descends, as in the released code (the paper's text reads "
    "otherwise and would pull photos into clusters); curves are shares of the sample and the rate is scaled to match"
)
TANH = (
    "distances are those of tanh(logits), as in the released code; the paper says codes, whose sign passes no "
    "gradient; where logits are small the codes of the optimum stay among the clusters (see cwdm-straight-through)"
)
STRAIGHT_THROUGH = (
    "distances are those of codes, as Eq. 5 prints them, and the gradient passes straight through the sign, where the "
    "released code measures tanh(logits): with small logits those points lie far inside the cube, and their codes stay "
    "among the clusters (cwdm)"
)
BALL = (
    "a ball of 8/255, which the paper asks for without a figure and the released code lacks: its rate is for photos of "
    "224 pixels and would ruin smaller ones"
)
UNSQUARED = (
    "F_i is not squared, as in the released code: the paper's square has its optimum at a quadratic's first root"
)
SQUARED = (
    "F_i is squared, as the paper prints it and the released code does not; the rate is 20 times larger, k of k-means, "
    "as squares of shares have gradients that much smaller"
)
NEVER_DONE = (
    "does not stop at a loss of exactly 0, as the released code would: curves that dip below 0 pass it by chance"
)
DBSCAN = (
    "all clusters are used, where the released code drops the last one; neither uses what DBSCAN calls noise; ε is "
    "2.5, where the paper's Fig. 6 peaks"
)
CENTRES = {
    "real": "centres are real-valued means, as in the released code; the paper says the code of the centre",
    "signed": "centres are the signs of the means, codes as the paper says; the released code takes means",
}


@dataclass(frozen=True)
class CWDM(Method):
    """Walk to where the fitted curves of all clusters are low; see `ClusterCurves`.

    Attributes:
        clustering: how the owner's sample is divided into clusters; see `k_means` and `dbscan`.
        curve: the kind of curve that is fitted to each cluster.
        squared: whether F_i² is summed, as the paper prints it.
        centres: whether centres are means, or their signs.
        relaxation: how a gradient passes from codes to logits.
        clusters: k of k-means.
        eps: ε of DBSCAN.
        step: the step, the gradient itself with momentum, as released, or its sign, which moves the photo whatever its
            size and the scale of the curves.
    """

    name: str = "cwdm"
    summary: str = SUMMARY
    paper: str = "Xiao, Wang, Gao, CVPR 2020, Eq. 5-9"
    departures: str = "; ".join((COUNTS, UNSQUARED, CENTRES["real"], TANH, NEVER_DONE, BALL))
    accepts: frozenset[Outputs] = LOGITS
    needs: frozenset[Need] = GRADIENTS | {"sample"}
    clustering: Clustering = "k-means"
    curve: CurveKind = "quadratic"
    squared: bool = False
    centres: Centres = "real"
    relaxation: Relaxation = "tanh"
    clusters: Count = CLUSTERS
    eps: Positive = 2.5
    step: Step = field(default_factory=lambda: SGD(RELEASED_RATE))

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`.

        Raises:
            MethodError: if DBSCAN finds no cluster.
        """
        objectives = [self._objective(surrogate) for surrogate in surrogates]
        return descend(photos, surrogates, objectives, run, step=self.step)

    def _objective(self, surrogate: Surrogate) -> ClusterCurves:
        """Clusters of a surrogate's sample and their curves."""
        codes = sample_of(surrogate)
        labels = k_means(codes, self.clusters) if self.clustering == "k-means" else dbscan(codes, self.eps)
        if not bool((labels >= 0).any()):
            raise MethodError(
                f"{self.name} finds no cluster among the {len(codes)} codes of {surrogate.encoder.name}: raise eps, "
                f"now {self.eps:g}, or give a larger sample"
            )
        return fit_curves(
            codes, labels, self.curve, squared=self.squared, centres=self.centres, relaxation=self.relaxation
        )


def _variant(clustering: Clustering, curve: CurveKind, *, squared: bool, centres: Centres) -> CWDM:
    """One of the family, named and described by what it is made of."""
    name, differs, departures = "cwdm", [], [COUNTS]
    if clustering == "dbscan":
        name += "-dbscan"
        differs.append("DBSCAN")
        departures.append(DBSCAN)
    if curve != "quadratic":
        name += f"-{curve}"
        differs.append(f"{curve} curves")
        departures.append(f"the paper fits {curve} curves for comparison; the released code fits quadratics alone")
    if squared:
        name += "-squared"
        differs.append("squared curves")
    if centres == "signed":
        name += "-signed"
        differs.append("centres that are codes")
    departures += [SQUARED if squared else UNSQUARED, CENTRES[centres], TANH, NEVER_DONE, BALL]
    return CWDM(
        name=name,
        summary=f"CWDM with {', '.join(differs)}" if differs else SUMMARY,
        departures="; ".join(departures),
        clustering=clustering,
        curve=curve,
        squared=squared,
        centres=centres,
        step=SGD(SQUARED_RATE if squared else RELEASED_RATE),
    )


CWDM_SIGN = CWDM(
    name="cwdm-sign",
    summary="CWDM with momentum-sign steps, which move whatever the gradient's scale",
    departures="as cwdm, with the sign of the momentum for a step",
    step=MomentumSign(1.0),
)
CWDM_STRAIGHT_THROUGH = CWDM(
    name="cwdm-straight-through",
    summary="CWDM with distances of codes, the gradient passed straight through their sign: the strongest reading",
    departures="; ".join((COUNTS, UNSQUARED, CENTRES["real"], STRAIGHT_THROUGH, BALL)),
    relaxation="straight-through",
)
CWDM_STRAIGHT_THROUGH_SIGNED = CWDM(
    name="cwdm-straight-through-signed",
    summary="the same with centres that are codes",
    departures="; ".join((COUNTS, UNSQUARED, CENTRES["signed"], STRAIGHT_THROUGH, BALL)),
    centres="signed",
    relaxation="straight-through",
)
CWDM_FAMILY: tuple[CWDM, ...] = (
    *(
        _variant(clustering, curve, squared=squared, centres=centres)
        for squared, centres, clustering, curve in product(
            (False, True), get_args(Centres), get_args(Clustering), get_args(CurveKind)
        )
    ),
    CWDM_SIGN,
    CWDM_STRAIGHT_THROUGH,
    CWDM_STRAIGHT_THROUGH_SIGNED,
)
