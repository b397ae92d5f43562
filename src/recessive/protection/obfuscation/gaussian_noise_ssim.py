"""Gaussian noise as strong as a wanted SSIM: PIRE's baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import brentq
from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.method import MethodError, Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.obfuscation.gaussian_noise import draw_normal
from recessive.protection.optimise import Minimised
from recessive.quality import ssim
from recessive.transforms import BitDepth

SIGMAS = (0.25, 512.0)  # in 1/255: what the grid swallows, and what leaves little but black and white
PRECISION = 1e-3  # of log₂ σ; the SSIM is then within about 3e-4


def noise_of_ssim(photo: Tensor, noise: Tensor, target: float) -> Tensor:
    """y = round₈(clamp(x + σ n)) with σ such that SSIM(y, x) = target.

    SSIM falls as σ grows, and in log σ almost evenly, so that Brent's search needs few looks. The noise n stays.

    Args:
        photo: x (3, H, W).
        noise: n (3, H, W).
        target: SSIM.

    Returns:
        y (3, H, W) on the 8-bit grid.

    Raises:
        ValueError: the photo is smaller than SSIM's window, or no σ in `SIGMAS` has the target.
    """

    def noisy(exponent: float) -> Tensor:
        return BitDepth(8).real(photo + 2**exponent / 255 * noise)

    def above(exponent: float) -> float:
        return float(ssim(noisy(exponent)[None], photo[None])) - target

    weakest, strongest = (math.log2(sigma) for sigma in SIGMAS)
    known = {exponent: above(exponent) for exponent in (weakest, strongest)}
    if not known[strongest] <= 0 <= known[weakest]:
        lowest, highest = known[strongest] + target, known[weakest] + target
        raise ValueError(
            f"noise brings SSIM to {lowest:.3f} at the lowest and {highest:.3f} at the highest, not to {target:g}"
        )
    found = brentq(lambda exponent: known.get(exponent) or above(exponent), weakest, strongest, xtol=PRECISION)
    return noisy(found)


@dataclass(frozen=True)
class GaussianNoiseSSIM:
    """x' = x + σ n, clamped to [0, 1], n standard normal, σ for each photo so that SSIM(x', x) = target.

    SSIM is that of the photo on the 8-bit grid before the run's ball clips it; see `noise_of_ssim`.

    Attributes:
        target: SSIM.
    """

    name: str = "gaussian-noise-ssim"
    summary: str = "adds Gaussian noise, to each photo as much as brings its SSIM to one figure"
    paper: str = "Liu, Zhao, Larson, ICMR 2019, section 6.2 (Table 8)"
    departures: str = (
        "the paper tunes the noise of each photo to the SSIM of PIRE on it, on average 0.652 (Oxford5k) and 0.708 "
        "(Paris6k); here one target in the middle, so that no other method has to run first; the seed is fixed"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    target: float = 0.68

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`.

        Raises:
            MethodError: a photo is smaller than SSIM's window, or no noise brings its SSIM to the target.
        """
        check(self, photos, surrogates, run)
        try:
            noisy = [
                noise_of_ssim(photo, draw_normal(photo, seed), self.target)
                for photo, seed in zip(photos, run.seeds, strict=True)
            ]
        except ValueError as error:
            raise MethodError(f"{self.name}: {error}; gaussian-noise needs no SSIM") from error
        return finish(torch.stack(noisy), photos, run)
