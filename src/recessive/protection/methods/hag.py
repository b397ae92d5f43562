"""HAG: hash adversary generation, the untargeted baseline of the RNM paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import Whole
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
from recessive.protection.objectives.masked_agreement import MaskedAgreement
from recessive.protection.optimise import Minimised
from recessive.protection.steps import SGD


@dataclass(frozen=True)
class HAG(Method):
    """Flip the bits of the original's code; those that are flipped by a margin rest. See `MaskedAgreement`.

    Attributes:
        rate: learning rate of the step, for photos in [0, 1].
        momentum: of the step.
        margin: t, by which tanh(α · logit) has to pass 0 for a bit to rest.
    """

    name: str = "hag"
    summary: str = "flips the bits of the photo's own code, and lets those rest that are flipped by a margin"
    paper: str = "Yang, Liu, Deng, Tao, IEEE Transactions on Cybernetics 2020"
    departures: str = (
        "the authors' code is not at hand: constants are those of a public implementation, which spreads the growth of "
        "α over 100 steps, where others take 2000; the loss is not divided by the number of photos in a batch, so that "
        "a photo's steps do not depend on how many there are"
    )
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = GRADIENTS
    budget: Budget = 8.0
    steps: Whole = 100
    rate: float = 100.0
    momentum: float = 0.9
    margin: float = 0.5

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [MaskedAgreement(sign(own), self.margin) for own in original_outputs(photos, surrogates)]
        return descend(photos, surrogates, objectives, run, step=SGD(255 * self.rate, self.momentum))
