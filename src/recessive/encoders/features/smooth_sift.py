"""SIFT's descriptor with a gradient: what a keypoint would be described by, were the photo a little different."""

from __future__ import annotations

import math
from functools import cache, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

GREY = (0.299, 0.587, 0.114)
_CELLS, _BINS = 4, 8  # a side, and directions
_SAMPLES = 16  # a side
_CELL = 3.0  # side of a cell, in scales σ of the keypoint
_CLIP = 0.2
_LEVELS = 3  # of σ an octave
_INPUT_BLUR = 0.5  # pixels, that a photo is taken to have


ByScale = tuple[tuple[float, Tensor], ...]
"""Keypoints (K_i, 4) under a scale near theirs, in pixels."""


def by_scale(keypoints: Tensor) -> ByScale:
    """Keypoints (K, 4) as `describe_at` takes them: x, y, size (2 σ) in pixels, angle in degrees, all as OpenCV's."""
    levels = (_LEVELS * (keypoints[:, 2] / 2).clamp(min=_INPUT_BLUR).log2()).round()
    return tuple((2 ** (level / _LEVELS), keypoints[levels == level]) for level in levels.unique().tolist())


def describe_at(photos: Tensor, keypoints: ByScale) -> Tensor:
    """RootSIFT descriptors of one photo at given keypoints, differentiable with respect to its pixels.

    Around each keypoint, turned by its angle and in units of its scale σ, the grey photo, blurred to σ, is sampled at
    18 × 18 places 3 σ / 4 apart. Central differences give 16 × 16 gradients; each adds its length to two of 8
    directions and to up to four of 4 × 4 cells, by linear interpolation, under a Gaussian of half the width; those
    outside the photo add nothing. The 128 values d are brought to unit length, clipped at 0.2, and √(d / Σ d) is taken.

    OpenCV's SIFT (Lowe, "Distinctive image features from scale-invariant keypoints", 2004, section 6) does the same on
    the pixels of its pyramid; on photos the median cosine between its descriptors and these is 0.99. RootSIFT:
    Arandjelović, Zisserman, "Three things everyone should know to improve object retrieval", 2012.

    Args:
        photos: one photo (1, 3, H, W) in [0, 1].
        keypoints: K of them, see `by_scale`.

    Returns:
        (K, 128), in their order: cell rows, cell columns, directions, as OpenCV has them. Rows have unit length, or are
        nearly 0 for a keypoint outside the photo.
    """
    if photos.shape[:2] != (1, 3) or photos.ndim != 4:
        raise ValueError(f"one photo (1, 3, H, W) is described at a time, not {tuple(photos.shape)}")
    grey = (photos * photos.new_tensor(GREY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    empty = photos.new_zeros(0, _CELLS**2 * _BINS)
    raw = torch.cat([empty, *(_histograms(*_patches(grey, places, sigma)) for sigma, places in keypoints)])
    clipped = F.normalize(raw, dim=1).clamp(max=_CLIP)
    shares = clipped / clipped.sum(dim=1, keepdim=True).clamp(min=1e-9)
    return shares.clamp(min=1e-12).sqrt()  # a root has no gradient at 0


def _patches(grey: Tensor, keypoints: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Samples (K, 18, 18) around keypoints (K, 4) of about scale σ, and which of the inner 16 × 16 lie in the photo."""
    factor = 2 ** max(0, math.floor(math.log2(sigma) - 1 / _LEVELS + 1e-6))  # coarse enough to lose nothing
    blur = math.sqrt(max(sigma**2 - _INPUT_BLUR**2, 0.01))
    height, width = grey.shape[-2:]
    down, across = (_blur_matrix(side, blur, factor).to(grey) for side in (height, width))
    blurred = down @ grey @ across.T
    steps = (torch.arange(_SAMPLES + 2, device="cpu") - (_SAMPLES + 1) / 2) * (_CELL * _CELLS / _SAMPLES)
    v, u = torch.meshgrid(steps.to(grey), steps.to(grey), indexing="ij")
    x, y, size, degrees = (keypoints[:, k, None, None] for k in range(4))
    cosine, sine = torch.cos(degrees.deg2rad()), torch.sin(degrees.deg2rad())
    columns = x + size / 2 * (cosine * u - sine * v)
    rows = y + size / 2 * (sine * u + cosine * v)
    # pixel p of the photo lies at (p + ½) / factor of the coarser one
    places = torch.stack(
        [(2 * columns + 1) / (blurred.shape[-1] * factor) - 1, (2 * rows + 1) / (blurred.shape[-2] * factor) - 1], -1
    )
    side = _SAMPLES + 2
    sampled = F.grid_sample(blurred, places.view(1, -1, side, 2), padding_mode="border", align_corners=False)
    inside = (columns > 0) & (columns < width - 1) & (rows > 0) & (rows < height - 1)
    return sampled.view(-1, side, side), inside[:, 1:-1, 1:-1]


@lru_cache(maxsize=64)  # of a photo's two sides at all scales
def _blur_matrix(side: int, sigma: float, factor: int) -> Tensor:
    """Gaussian blur of a row, and every factor-th value of it: (⌈side / factor⌉, side). Borders are repeated."""
    reach = math.ceil(4 * sigma) + 1
    centres = (torch.arange(-(-side // factor), device="cpu") + 0.5) * factor - 0.5
    sources = torch.arange(-reach, side + reach, device="cpu")
    weights = torch.exp(-(centres[:, None] - sources).square() / (2 * sigma**2))
    weights /= weights.sum(dim=1, keepdim=True)
    return torch.zeros(len(centres), side, device="cpu").index_add_(1, sources.clamp(0, side - 1), weights)


def _histograms(patches: Tensor, inside: Tensor) -> Tensor:
    """Samples (K, 18, 18), and which of the inner ones count, to raw descriptors (K, 128)."""
    right = patches[:, 1:-1, 2:] - patches[:, 1:-1, :-2]
    up = patches[:, :-2, 1:-1] - patches[:, 2:, 1:-1]
    length = (right.square() + up.square() + 1e-12).sqrt() * inside
    turns = torch.atan2(up, right + 1e-9) * (_BINS / (2 * math.pi))
    away = (turns[..., None] - torch.arange(_BINS, device=turns.device) + _BINS / 2) % _BINS - _BINS / 2
    directions = (1 - away.abs()).clamp(min=0) * length[..., None]
    by_cell = torch.einsum("ksb,sc->kcb", directions.flatten(1, 2), _cell_weights().to(patches))
    return by_cell.flatten(1)


@cache
def _cell_weights() -> Tensor:
    """How much each of 16 × 16 samples counts in each of 4 × 4 cells: (256, 16)."""
    places = (torch.arange(_SAMPLES, device="cpu") + 0.5) * (_CELLS / _SAMPLES) - _CELLS / 2
    centres = torch.arange(_CELLS, device="cpu") - (_CELLS - 1) / 2
    near = (1 - (places[:, None] - centres).abs()).clamp(min=0) * torch.exp(-places.square() / (_CELLS**2 / 2))[:, None]
    return torch.einsum("yr,xc->yxrc", near, near).reshape(_SAMPLES**2, _CELLS**2)
