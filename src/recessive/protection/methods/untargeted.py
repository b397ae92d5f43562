"""Untargeted methods: away from the photo's own code or descriptor (FGSM and iFGSM, HDM, HAG)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import Bounds, NotNegative, Share, Whole
from recessive.protection.method import LOGITS, Method, Run, Surrogate, descend, original_outputs
from recessive.protection.objectives import DescriptorDistance, MaskedAgreement, MeanAgreement, SquaredAgreement
from recessive.protection.optimise import Minimised, Objective, StopWhen
from recessive.protection.steps import SGD, Sign

WHOLE = 255.0  # farther than any ball reaches: projection cuts the step to the budget


@dataclass(frozen=True)
class FGSM(Method):
    """x' = Π_ball( x − size · sign(∇ loss(x)) ), away from the photo's own code or descriptor.

    See `SquaredAgreement` and `DescriptorDistance`; the gradient of the latter is that of twice the cosine.

    Attributes:
        size: the size of a step in 1/255; None for one step of the whole budget, whatever the number of steps.
    """

    name: str = "fgsm"
    summary: str = "one step of the whole budget along the gradient's sign, away from the own code or descriptor"
    paper: str = "Goodfellow, Shlens, Szegedy, ICLR 2015, section 4"
    departures: str = (
        "a classifier's loss becomes the similarity to the original: the squared one of hdm for codes, the cosine for "
        "descriptors; where an encoder gives descriptors the gradient is taken at a random point of the ball, because "
        "it is zero at the photo itself"
    )
    steps: Whole = 1
    size: NotNegative | None = None

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        flat = any(surrogate.encoder.outputs == "descriptor" for surrogate in surrogates)
        objectives: list[Objective] = [
            SquaredAgreement(sign(outputs)) if surrogate.encoder.outputs == "logits" else DescriptorDistance(outputs)
            for outputs, surrogate in zip(original_outputs(photos, surrogates), surrogates, strict=True)
        ]
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


@dataclass(frozen=True)
class HDM(Method):
    """Hamming distance maximisation: flip as many bits of the photo's own code as possible.

    Attributes:
        form: the form of the loss, `SquaredAgreement` as the paper prints it or `MeanAgreement` as in the released
            code.
        size: the size of a step in 1/255.
        stop: the share of the bits, over all encoders, that ends the search once more than that many are flipped.
    """

    name: str = "hdm"
    summary: str = "Hamming distance maximisation: flips the bits of the photo's own code"
    paper: str = "Xiao, Wang, Gao, CVPR 2020, Eq. 3-4"
    departures: str = (
        "a ball of 8/255, which the paper asks for without a figure and the released code lacks; stops at two thirds "
        "of the bits, as the released code does (32 of 48); with several encoders, when their sum has reached it"
    )
    accepts: frozenset[Outputs] = LOGITS
    steps: Whole = 20
    form: Literal["paper", "released"] = "paper"
    size: NotNegative = 1.0
    stop: Share = 32 / 48

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        codes = [sign(outputs) for outputs in original_outputs(photos, surrogates)]
        agreeing = (1 - self.stop) * sum(surrogate.encoder.dim for surrogate in surrogates)
        return descend(
            photos,
            surrogates,
            [SquaredAgreement(own) if self.form == "paper" else MeanAgreement(own, constant=-1.0) for own in codes],
            run,
            step=Sign(self.size),
            wrap=lambda loss: StopWhen(loss, lambda score: score < agreeing),
        )


HDM_RELEASED = HDM(
    name="hdm-released",
    summary="HDM as the authors' code has it: ascends the mean of |h − h₀|, with no ball",
    paper="released code of Xiao, Wang, Gao, CVPR 2020",
    departures=(
        "stops at more than two thirds of the bits, which is the code's 32 of 48 (40 appears there too); each photo "
        "stops by itself; with several encoders, when their sum has reached it"
    ),
    budget=255.0,
    form="released",
)


@dataclass(frozen=True)
class HAG(Method):
    """Hash adversary generation: flip the bits of the photo's own code; those flipped by a margin rest.

    See `MaskedAgreement`.

    Attributes:
        rate: the learning rate of the step, for photos in [0, 1].
        momentum: the momentum of the step.
        margin: t, by which tanh(α · logit) has to pass 0 for a bit to rest.
    """

    name: str = "hag"
    summary: str = "flips the bits of the photo's own code, and lets those rest that are flipped by a margin"
    paper: str = "Yang, Liu, Deng, Tao, IEEE Transactions on Cybernetics 2020"
    departures: str = (
        "the authors' code is not available: constants are those of a public implementation, which spreads the growth "
        "of α over 100 steps, where others take 2000; the loss is not divided by the number of photos in a batch, so "
        "that a photo's steps do not depend on how many there are"
    )
    accepts: frozenset[Outputs] = LOGITS
    rate: NotNegative = 100.0
    momentum: Share = 0.9
    margin: Annotated[float, Bounds(-1, 1)] = 0.5

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [MaskedAgreement(sign(own), margin=self.margin) for own in original_outputs(photos, surrogates)]
        return descend(photos, surrogates, objectives, run, step=SGD(255 * self.rate, self.momentum))
