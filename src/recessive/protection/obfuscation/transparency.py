"""Transparency: white shines through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


@dataclass(frozen=True)
class Transparency:
    """x' = (1 − share) x + share: the photo in front of white.

    Attributes:
        share: of white, 0 to 1.
    """

    name: str = "transparency"
    summary: str = "blends the photo with white"
    paper: str = "Huang et al., Machines 2022, Fig. 3d"
    departures: str = (
        "the paper gives neither share nor background: a fifth of white gives 19.1 and 16.0 dB on two photos of "
        "427 × 640 pixels, Fig. 3d has 18.28 dB"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    share: float = 0.2

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish((1 - self.share) * photos + self.share, photos, run)
