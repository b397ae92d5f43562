"""How near a saved photo is to what it was made from, as reports have it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from recessive.quality import linf, psnr, ssim

SMALLEST_FOR_SSIM = 11  # pixels a side: its window


@dataclass(frozen=True)
class Fidelity:
    """Rounded for people.

    Attributes:
        linf: largest change of a value in 1/255.
        psnr: in dB; None when nothing changed.
        ssim: structural similarity; None when the photos are too small to have one.
    """

    linf: float
    psnr: float | None
    ssim: float | None


def fidelity(before: Tensor, after: Tensor) -> Fidelity:
    """Of two photos (3, H, W) in [0, 1], of one size.

    Raises:
        ValueError: they differ in size.
    """
    pair = before[None], after[None]
    change, noise = float(linf(*pair)), float(psnr(*pair))
    similar: float | None = None
    if min(before.shape[1:]) >= SMALLEST_FOR_SSIM:
        similar = round(float(ssim(*pair)), 5) if change else 1.0  # without what rounding takes from the sums
    return Fidelity(round(255 * change, 3), round(noise, 3) if math.isfinite(noise) else None, similar)
