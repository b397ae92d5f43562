"""Blurring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised
from recessive.transforms import Blur

WEAKEST = 0.1  # pixels, of `Blur`
COARSE = 8.0  # pixels; where σ is at least twice this, a coarser grid holds all that is left


def blur(photos: Tensor, sigma: float) -> Tensor:
    """Photos (N, 3, H, W) convolved with a Gaussian of σ = sigma pixels, at least 0.1, the border repeated.

    From twice `COARSE` pixels on, this happens on a grid of means, on which σ is `COARSE` to twice that, and is
    interpolated: σ grows by 0.2 % so, and the time no longer with σ.
    """
    times = int(sigma / COARSE)
    if times <= 1:
        return Blur(max(WEAKEST, sigma))(photos)
    height, width = photos.shape[-2:]
    margin = times * math.ceil(4 * sigma / times)  # the border is repeated before it is made coarse
    below, right = (margin + -length % times for length in (height, width))
    small = F.avg_pool2d(F.pad(photos, (margin, right, margin, below), mode="replicate"), times)
    wide = F.interpolate(Blur(sigma / times)(small), scale_factor=times, mode="bilinear")
    return wide[..., margin : margin + height, margin : margin + width]


@dataclass(frozen=True)
class Blurring:
    """Convolution with a Gaussian; see `blur`.

    Attributes:
        sigma: σ as a share of the photo's shorter side.
    """

    name: str = "blur"
    summary: str = "blurs the photo"
    paper: str = (
        "named by Xiao, Wang, Gao, CVPR 2020, section 1, and by Zhang et al., Recessive Social Networking, section V"
    )
    departures: str = "the papers only name it: the strength is ours, 7 pixels in a photo of 224"
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    sigma: float = 1 / 32

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish(blur(photos, self.sigma * min(photos.shape[-2:])), photos, run)
