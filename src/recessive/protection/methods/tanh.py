"""Tanh-P2P and Tanh-P2S: the targeted baselines of the RNM paper, after DHTA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.anchors import anchor_codes
from recessive.protection.constants import Whole
from recessive.protection.losses import StopWhen
from recessive.protection.method import Budget, Method, Need, Run, Surrogate, descend
from recessive.protection.objectives.target_agreement import TargetAgreement
from recessive.protection.optimise import Minimised
from recessive.protection.steps import UnitGradient


@dataclass(frozen=True)
class Tanh(Method):
    """Take the code of a target (P2P), or the one that several targets vote for (P2S); see `TargetAgreement`.

    Attributes:
        voters: how many of a photo's targets vote, the first ones; None for all.
        length: of a step; see `UnitGradient`.
    """

    name: str = "tanh-p2p"
    summary: str = "takes the code of the first target, the sign softened to tanh"
    paper: str = "Huang, Zhan, Hu, Shi, Machines 2022, Eq. 2; Bai et al., ECCV 2020 (DHTA)"
    departures: str = (
        "stops once every bit is the anchor's, where the papers spend all steps: the code is theirs, the margin "
        "smaller; a budget of 0.032 and a step of 1 are of photos in [0, 1], as the PSNR of RNM's Fig. 3 asks for: in "
        "DHTA's code both are of normalised photos, 1.8/255 and a step of 0.23; α as in DHTA's code and RNM's section "
        "5.2, not as in its section 3.2"
    )
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = frozenset({"gradients", "target"})
    budget: Budget = 8.16  # 0.032 · 255
    steps: Whole = 2000
    voters: int | None = 1
    length: float = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        anchors = [anchor_codes(surrogate, run, photos.device, self.voters) for surrogate in surrogates]
        return descend(
            photos,
            surrogates,
            [TargetAgreement(codes) for codes in anchors],
            run,
            step=UnitGradient(self.length),
            wrap=lambda loss: StopWhen(loss, lambda distance: distance == 0),
        )


TANH_P2S = Tanh(
    name="tanh-p2s",
    summary="takes the code that its targets vote for, the sign softened to tanh",
    departures="as tanh-p2p; all targets vote, nine in the paper, and a tie among an even number gives +1",
    voters=None,
)
