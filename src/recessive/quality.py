"""How much a protected photo differs from its original: one figure per photo (N,), for photos (N, 3, H, W) in [0, 1].

Each figure has one stated definition and, where a library has it, that library's implementation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from kornia.metrics import ssim as kornia_ssim
from torch import Tensor

WINDOW = 11  # pixels; kornia's window of this size has σ = 1.5
COARSE_WINDOW, COARSE_STRIDE = 8, 4  # pixels
_TILE_PIXELS = 250_000  # SSIM holds about ten maps of a band at a time; larger bands are also slower


def _check(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape or first.ndim != 4:
        raise ValueError(f"two batches of one shape are needed, not {tuple(first.shape)} and {tuple(second.shape)}")
    if not (first.is_floating_point() and second.is_floating_point()):
        raise ValueError(f"photos are floats in [0, 1], not {first.dtype} and {second.dtype}")


def mse(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared error over all values: mean (x − y)², (N,)."""
    _check(first, second)
    return (first - second).square().mean(dim=(1, 2, 3))


def l1(first: Tensor, second: Tensor) -> Tensor:
    """Mean absolute error over all values: mean |x − y|, (N,)."""
    _check(first, second)
    return (first - second).abs().mean(dim=(1, 2, 3))


def linf(first: Tensor, second: Tensor) -> Tensor:
    """The largest absolute difference: max |x − y|, (N,)."""
    _check(first, second)
    return (first - second).abs().amax(dim=(1, 2, 3))


def psnr(first: Tensor, second: Tensor) -> Tensor:
    """Peak signal-to-noise ratio: −10 log₁₀ MSE dB, (N,); infinite for equal photos."""
    return -10 * torch.log10(mse(first, second))


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity, mean over all windows that lie inside the photo and over channels: (N,).

    SSIM = (2 μ_x μ_y + C₁) (2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁) (σ_x² + σ_y² + C₂)),  C = (0.01², 0.03²)

    Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004, Eq. 13:
    Gaussian windows of 11 × 11 pixels with σ = 1.5, K₁ = 0.01, K₂ = 0.03, range 1, population covariance.
    Large photos are measured in bands of rows, so that memory stays bounded.

    Raises:
        ValueError: if shapes differ, or a side is shorter than the window.
    """
    _check(first, second)
    height, width = first.shape[-2:]
    if min(height, width) < WINDOW:
        raise ValueError(f"SSIM needs photos of at least {WINDOW} × {WINDOW} pixels, not {width} × {height}")
    rows = max(1, _TILE_PIXELS // width)
    total = first.new_zeros(len(first))
    for top in range(0, height - WINDOW + 1, rows):
        band = slice(top, min(top + rows + WINDOW - 1, height))
        similar = kornia_ssim(first[:, :, band], second[:, :, band], WINDOW, padding="valid")
        total = total + similar.sum(dim=(1, 2, 3))
    return total / (first.shape[1] * (height - WINDOW + 1) * (width - WINDOW + 1))


def coarse_ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity over even windows of 8 × 8 pixels, every 4 pixels: (N,).

    The formula of `ssim` with other windows takes a tenth of the time, for optimisation, which needs it at every step.
    The window of a smaller photo is the photo itself.
    """
    _check(first, second)
    window = min(COARSE_WINDOW, *first.shape[-2:])

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, window, COARSE_STRIDE)

    mean_x, mean_y = mean(first), mean(second)
    variances = mean(first.square()) - mean_x.square() + mean(second.square()) - mean_y.square()
    covariance = mean(first * second) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    light = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return (light * (2 * covariance + c2) / (variances + c2)).mean(dim=(1, 2, 3))
