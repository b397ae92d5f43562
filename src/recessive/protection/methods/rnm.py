"""RNM: the relaxation norm method, towards a target (P2P), several (P2S), or away from the photo's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.anchors import anchor_codes
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
from recessive.protection.objectives.binary_penalty import BinaryPenalty
from recessive.protection.optimise import Minimised
from recessive.protection.steps import UnitGradient

PAPER = "Huang, Zhan, Hu, Shi, Machines 2022, Eq. 12 and Algorithm 1"
SHARED = (
    "the agreement with the anchor is not divided by K, the number of bits: with both weights 1/K, as printed, a wrong "
    "bit comes to rest at a logit of 0.5 on its side and does not flip; the gradient of the penalty is 2a (C − sign C) "
    "bit by bit, where Algorithm 1 prints a norm; a step is the gradient at length 1, as in DHTA's code, where the "
    "paper says PGD and a learning rate of 1; stops once every bit is the anchor's, where the paper spends all steps: "
    "the code is the same, the margin smaller; a budget of 0.032 is of photos in [0, 1], as the PSNR of Fig. 3 asks for"
)


def approach(
    photos: Tensor, surrogates: Sequence[Surrogate], anchors: Sequence[Tensor], run: Run, length: float
) -> Minimised:
    """Walk to anchor codes, (N, m) a surrogate, with a = 1/m, in steps of a length; see `BinaryPenalty`."""
    return descend(
        photos,
        surrogates,
        [BinaryPenalty(codes, 1 / codes.shape[1]) for codes in anchors],
        run,
        step=UnitGradient(length),
        wrap=lambda loss: StopWhen(loss, lambda distance: distance == 0),
    )


@dataclass(frozen=True)
class RNM(Method):
    """Away from the photo's own code: the anchor is its opposite.

    Attributes:
        length: of a step; see `UnitGradient`.
    """

    name: str = "rnm"
    summary: str = "flips the bits of the photo's own code, logits drawn to ±1"
    paper: str = PAPER + "; section 5.5"
    departures: str = (
        "the anchor is the opposite of the own code, where the paper draws one of another class; " + SHARED
    )
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = GRADIENTS
    budget: Budget = 8.16  # 0.032 · 255
    steps: Whole = 2000
    length: float = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        anchors = [-sign(outputs) for outputs in original_outputs(photos, surrogates)]
        return approach(photos, surrogates, anchors, run, self.length)


@dataclass(frozen=True)
class TargetedRNM(Method):
    """Take the code of a target (P2P), or the one that several targets vote for (P2S).

    Attributes:
        voters: how many of a photo's targets vote, the first ones; None for all.
        length: of a step; see `UnitGradient`.
    """

    name: str = "rnm-p2p"
    summary: str = "takes the code of the first target, logits drawn to ±1"
    paper: str = PAPER
    departures: str = SHARED
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = frozenset({"gradients", "target"})
    budget: Budget = 8.16  # 0.032 · 255
    steps: Whole = 2000
    voters: int | None = 1
    length: float = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        anchors = [anchor_codes(surrogate, run, photos.device, self.voters) for surrogate in surrogates]
        return approach(photos, surrogates, anchors, run, self.length)


RNM_P2S = TargetedRNM(
    name="rnm-p2s",
    summary="takes the code that its targets vote for, logits drawn to ±1",
    departures="as rnm-p2p; all targets vote, nine in the paper, and a tie among an even number gives +1",
    voters=None,
)
