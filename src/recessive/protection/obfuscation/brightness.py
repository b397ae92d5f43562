"""Brightness, and darkening as its contrary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


@dataclass(frozen=True)
class Brightness:
    """x' = min(1, gain · x).

    Attributes:
        gain: above 1 brightens, below 1 darkens.
    """

    name: str = "brightness"
    summary: str = "brightens the photo until its light parts are white"
    paper: str = "Huang et al., Machines 2022, Fig. 3c"
    departures: str = (
        "the paper gives no formula: twice the values gives 12.7 and 13.1 dB on two photos of 427 × 640 pixels, "
        "Fig. 3c has 13.02 dB"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    gain: float = 2.0

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish(self.gain * photos, photos, run)


DARKENING = Brightness(
    name="darkening",
    summary="darkens the photo",
    paper="named by Xiao, Wang, Gao, CVPR 2020, section 1, and by Zhang et al., Recessive Social Networking, section V",
    departures="the papers only name it: half the values is ours",
    gain=0.5,
)
