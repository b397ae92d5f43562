"""Gaussian noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


def draw_normal(photo: Tensor, seed: int) -> Tensor:
    """Standard normal values of a photo's shape, the same on every device."""
    return torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed), device="cpu").to(photo)


@dataclass(frozen=True)
class GaussianNoise:
    """x' = x + sigma/255 · n, clamped to [0, 1], n standard normal.

    Attributes:
        sigma: standard deviation in 1/255.
    """

    name: str = "gaussian-noise"
    summary: str = "adds Gaussian noise"
    paper: str = "Huang et al., Machines 2022, Fig. 3e; Zhang et al., Recessive Social Networking, section V"
    departures: str = (
        "the papers give neither distribution nor strength: this one gives 24.6 and 24.7 dB on two photos of 427 × 640 "
        "pixels, Fig. 3e has 24.53 dB; the seed is fixed"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    sigma: float = 16.0

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        noise = torch.stack([draw_normal(photo, seed) for photo, seed in zip(photos, run.seeds, strict=True)])
        return finish(photos + self.sigma / 255 * noise, photos, run)
