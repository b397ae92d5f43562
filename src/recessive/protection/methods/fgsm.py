"""FGSM and iFGSM: the gradient's sign, once or in small steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import Whole
from recessive.protection.losses import Objective
from recessive.protection.method import (
    GRADIENTS,
    Budget,
    Method,
    Need,
    Run,
    Surrogate,
    descend,
    original_outputs,
)
from recessive.protection.objectives import CodeAgreement, DescriptorDistance
from recessive.protection.optimise import Minimised
from recessive.protection.steps import Sign

WHOLE = 255.0  # farther than any ball reaches: projection cuts the step to the budget


def _from_original(outputs: Tensor, surrogate: Surrogate) -> Objective:
    """What leads away from what an encoder gave for the originals."""
    return CodeAgreement(sign(outputs)) if surrogate.encoder.outputs == "logits" else DescriptorDistance(outputs)


@dataclass(frozen=True)
class FGSM(Method):
    """x' = Π_ball( x − size · sign(∇ loss(x)) ), away from the photo's own code or descriptor.

    See `CodeAgreement` and `DescriptorDistance`; the gradient of the latter is that of twice the cosine.

    Attributes:
        size: of a step in 1/255; None for one step of the whole budget, however many are asked for.
    """

    name: str = "fgsm"
    summary: str = "one step of the whole budget along the gradient's sign, away from the own code or descriptor"
    paper: str = "Goodfellow, Shlens, Szegedy, ICLR 2015, section 4"
    departures: str = (
        "a classifier's loss becomes the similarity to the original: the squared one of hdm for codes, the cosine for "
        "descriptors; where an encoder gives descriptors the gradient is taken at a random point of the ball, because "
        "it is zero at the photo itself"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = GRADIENTS
    budget: Budget = 8.0
    steps: Whole = 1
    size: float | None = None

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        originals = original_outputs(photos, surrogates)
        objectives = [_from_original(outputs, each) for outputs, each in zip(originals, surrogates, strict=True)]
        flat = any(surrogate.encoder.outputs == "descriptor" for surrogate in surrogates)
        return descend(
            photos,
            surrogates,
            objectives,
            replace(run, steps=min(run.steps, 1)) if self.size is None else run,
            step=Sign(WHOLE if self.size is None else self.size),
            start=run.ball.random_start(photos, run.seeds) if flat else None,
        )


IFGSM = FGSM(
    name="ifgsm",
    summary="FGSM in steps of one level, away from the photo's own code or descriptor",
    paper="Kurakin, Goodfellow, Bengio, ICLR workshop 2017, section 2.2; baseline of Recessive Social Networking",
    departures=(
        "as fgsm; the number of steps is the paper's min(ε + 4, 1.25 ε) for the budget of 8 and does not follow "
        "another budget; Recessive Social Networking names no constants for it"
    ),
    steps=10,
    size=1.0,
)
