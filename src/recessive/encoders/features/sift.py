"""SIFT: keypoints of a photo, and a descriptor of what surrounds each.

`SIFT` finds and describes keypoints as OpenCV does. `describe_at` describes given keypoints with a gradient: what a
keypoint would be described by if the photo were a little different.

Sources: Lowe, "Distinctive image features from scale-invariant keypoints", 2004; for RootSIFT, Arandjelović, Zisserman,
"Three things everyone should know to improve object retrieval", 2012.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

LENGTH = 128
"""The length of a descriptor: 4 × 4 cells around the keypoint, 8 directions of the gradient in each."""

GREY = (0.299, 0.587, 0.114)
_CELLS, _BINS = 4, 8  # cells a side, and directions
_SAMPLES = 16  # a side
_CELL = 3.0  # the side of a cell, in scales σ of the keypoint
_CLIP = 0.2
_LEVELS = 3  # of σ an octave
_INPUT_BLUR = 0.5  # pixels, the blur that a photo is assumed to have


def grey_levels(photo: Tensor) -> NDArray[np.uint8]:
    """Return what the detector sees: round(0.299 R + 0.587 G + 0.114 B) of the photo rounded to 8 bits.

    The weighted sum is OpenCV's RGB2GRAY, in fixed-point numbers.

    Args:
        photo: (3, H, W) in [0, 1]; values beyond are clamped.

    Returns:
        (H, W), levels 0 to 255.

    Raises:
        ValueError: if the photo has another shape or no pixels, or values that are not finite.
    """
    if photo.ndim != 3 or photo.shape[0] != 3 or not photo.numel():
        raise ValueError(f"local features are those of a photo (3, H, W), not {tuple(photo.shape)}")
    photo = photo.detach()
    if not all(math.isfinite(extreme) for extreme in torch.aminmax(photo)):
        raise ValueError("the photo holds values that are not finite")
    levels = photo.mul(255).round_().clamp_(0, 255).to(torch.uint8).cpu().numpy()
    # Merged and converted by OpenCV: half the time of laying the channels out last with torch.
    grey: NDArray[np.uint8] = cv2.cvtColor(cv2.merge(list(levels)), cv2.COLOR_RGB2GRAY)
    return grey


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """Keypoints of a photo and their descriptors; K may be 0.

    Attributes:
        keypoints: (K, 4), float32: x and y in pixels of the photo as given, where (0, 0) is the centre of its first
            pixel; size, twice the scale σ, in the same pixels; angle in degrees, clockwise, from 0 to 360.
        descriptors: (K, 128), float32.
    """

    keypoints: NDArray[np.float32]
    descriptors: NDArray[np.float32]

    def __len__(self) -> int:
        """The number K of local features."""
        return len(self.keypoints)


@dataclass(frozen=True)
class SIFT:
    """A detector and descriptor of local features. Safe to call from several threads at once.

    A photo whose longer side exceeds `longest_side` is shrunk to it, its grey levels averaged over areas; none is
    enlarged. Keypoints are extrema of differences of Gaussians D over place and scale, with a contrast |D| of at least
    `contrast` / `layers` × 255 levels and tr(H)² / det(H) < (`edge` + 1)² / `edge` for the Hessian H of D. A
    place where two directions dominate has two keypoints. A descriptor v has 128 values ≥ 0; as RootSIFT it is
    √(v / ‖v‖₁), of length 1, so that Euclidean distances compare as the Hellinger kernel does.

    Args:
        contrast: the contrast threshold, for grey levels in [0, 1] and divided by the layers.
        edge: the edge threshold.
        sigma: the blur of the first layer in pixels of the photo enlarged twice, with which the detector begins.
        layers: the number of layers in each octave.
        root: whether descriptors are RootSIFT; otherwise they are whole numbers from 0 to 255.
        longest_side: the limit of the longer side in pixels.

    Raises:
        ValueError: if a constant has no meaning.
    """

    contrast: float = 0.04
    edge: float = 10.0
    sigma: float = 1.6
    layers: int = 3
    root: bool = True
    longest_side: int = 1024

    def __post_init__(self) -> None:
        if self.contrast < 0 or min(self.edge, self.sigma) <= 0 or min(self.layers, self.longest_side) < 1:
            raise ValueError(f"SIFT takes positive constants: {self}")

    def features(self, photo: Tensor) -> LocalFeatures:
        """Return the local features of a photo (3, H, W) in [0, 1], in an order that depends on the photo alone.

        Constant photos, and those of a few pixels, have none.

        Raises:
            ValueError: as `grey_levels`.
        """
        grey = grey_levels(photo)
        seen = self._shrunk(grey)
        detector = cv2.SIFT.create(0, self.layers, self.contrast, self.edge, self.sigma)
        found, descriptors = detector.detectAndCompute(seen, None)
        if descriptors is None:
            return LocalFeatures(np.zeros((0, 4), np.float32), np.zeros((0, LENGTH), np.float32))
        keypoints = np.array([(*keypoint.pt, keypoint.size, keypoint.angle) for keypoint in found], np.float32)
        down, across = (float(side) / small for side, small in zip(grey.shape, seen.shape, strict=True))
        keypoints[:, 0] = (keypoints[:, 0] + 0.5) * across - 0.5
        keypoints[:, 1] = (keypoints[:, 1] + 0.5) * down - 0.5
        keypoints[:, 2] *= math.sqrt(across * down)
        return LocalFeatures(keypoints, _root(descriptors) if self.root else descriptors)

    def _shrunk(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        scale = self.longest_side / max(grey.shape)
        if scale >= 1:
            return grey
        height, width = (max(1, round(side * scale)) for side in grey.shape)
        shrunk: NDArray[np.uint8] = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        return shrunk


def _root(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    shares = descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1)  # whole numbers: a sum of 0 or ≥ 1
    rooted: NDArray[np.float32] = np.sqrt(shares, out=shares)
    return rooted


ByScale = tuple[tuple[float, Tensor], ...]
"""Keypoints (K_i, 4) grouped under a scale near theirs, in pixels."""


def by_scale(keypoints: Tensor) -> ByScale:
    """Group keypoints (K, 4) for `describe_at`: x, y, size (2 σ) in pixels, angle in degrees, as in `LocalFeatures`."""
    levels = (_LEVELS * (keypoints[:, 2] / 2).clamp(min=_INPUT_BLUR).log2()).round()
    return tuple((2 ** (level / _LEVELS), keypoints[levels == level]) for level in levels.unique().tolist())


def describe_at(photos: Tensor, keypoints: ByScale) -> Tensor:
    """RootSIFT descriptors of one photo at given keypoints, differentiable with respect to its pixels.

    Around each keypoint, turned by its angle and in units of its scale σ, the grey photo, blurred to σ, is sampled at
    18 × 18 places 3 σ / 4 apart. Central differences give 16 × 16 gradients. Each adds its length to two of 8
    directions and to up to four of 4 × 4 cells, by linear interpolation, under a Gaussian of half the width; those
    outside the photo add nothing. The 128 values d are brought to unit length, clipped at 0.2, and √(d / Σ d) is taken.
    OpenCV's SIFT does the same on the pixels of its pyramid (Lowe, section 6); on photos the median cosine between its
    descriptors and these is 0.99.

    Args:
        photos: one photo (1, 3, H, W) in [0, 1].
        keypoints: K keypoints, see `by_scale`.

    Returns:
        (K, 128), in the order of the keypoints, with values ordered by cell row, cell column, direction, as OpenCV's.
        Rows have unit length, or are nearly 0 for a keypoint outside the photo.
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


@lru_cache(maxsize=64)  # enough for a photo's two sides at all scales
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
    """The weights of 16 × 16 samples in 4 × 4 cells: (256, 16)."""
    places = (torch.arange(_SAMPLES, device="cpu") + 0.5) * (_CELLS / _SAMPLES) - _CELLS / 2
    centres = torch.arange(_CELLS, device="cpu") - (_CELLS - 1) / 2
    near = (1 - (places[:, None] - centres).abs()).clamp(min=0) * torch.exp(-places.square() / (_CELLS**2 / 2))[:, None]
    return torch.einsum("yr,xc->yxrc", near, near).reshape(_SAMPLES**2, _CELLS**2)
