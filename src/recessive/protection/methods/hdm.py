"""HDM: Hamming distance maximisation, the baseline of the CWDM paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import Whole
from recessive.protection.losses import StopWhen
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
from recessive.protection.objectives import CodeAgreement, CodeDistance
from recessive.protection.optimise import Minimised
from recessive.protection.steps import Sign

STOP_SHARE = 32 / 48  # of the bits flipped, in the released code


@dataclass(frozen=True)
class HDM(Method):
    """Flip as many bits of the original's code as can be; see `CodeAgreement` and `CodeDistance`.

    Attributes:
        form: of the loss, as the paper prints it or as the released code has it.
    """

    name: str = "hdm"
    summary: str = "Hamming distance maximisation: flips the bits of the photo's own code"
    paper: str = "Xiao, Wang, Gao, CVPR 2020, Eq. 3-4"
    departures: str = (
        "a ball of 8/255, which the paper asks for without a figure and the released code lacks; stops at two thirds "
        "of the bits, as the released code does (32 of 48); with several encoders, when their sum has reached it"
    )
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = GRADIENTS
    budget: Budget = 8.0
    steps: Whole = 20
    form: Literal["paper", "released"] = "paper"

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objective = CodeAgreement if self.form == "paper" else CodeDistance
        objectives = [objective(sign(outputs)) for outputs in original_outputs(photos, surrogates)]
        agreeing = (1 - STOP_SHARE) * sum(surrogate.encoder.dim for surrogate in surrogates)
        return descend(
            photos,
            surrogates,
            objectives,
            run,
            step=Sign(1.0),
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
