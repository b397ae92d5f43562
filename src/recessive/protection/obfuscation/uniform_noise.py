"""Uniform noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from recessive.balls import LInf
from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


@dataclass(frozen=True)
class UniformNoise:
    """x' = x + u, clamped to [0, 1], each value of u uniform in ± amplitude/255: a random point of an L∞ ball.

    Attributes:
        amplitude: in 1/255.
    """

    name: str = "uniform-noise"
    summary: str = "adds noise, every strength up to a limit equally likely"
    paper: str = "Huang et al., Machines 2022, Fig. 3e"
    departures: str = (
        "the paper gives neither distribution nor strength: this one gives 24.4 and 24.6 dB on two photos of 427 × 640 "
        "pixels, Fig. 3e has 24.53 dB; the seed is fixed"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    amplitude: float = 28.0

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish(LInf(self.amplitude).random_start(photos, run.seeds), photos, run)
