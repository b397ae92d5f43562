"""SIFT keypoints as the searcher's detector finds them, and the difference of Gaussians that it sees there.

With s₁² = σ² − ¼ and s₂² = (2^⅓ σ)² − ¼ (the photo itself is assumed to be blurred by ½ pixel), the difference of
Gaussians at a keypoint is a linear function of the pixels:

  D = ⟨w, image⟩,  w = g(· − p; s₂) − g(· − p; s₁),

where g is a Gaussian of unit sum, p the keypoint's place and σ the scale of its layer. No pyramid is needed. As in the
detector, the photo is mirrored at its border: weights that fall outside count for the pixel that is mirrored there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

CONTRAST = 0.04  # OpenCV's contrastThreshold; edgeThreshold 10, three layers and σ 1.6 are its defaults, too
LAYERS = 3
SIGMA = 1.6
BAND_PIXELS = 5_000_000  # the detector takes about 230 bytes a pixel
MARGIN = 128  # pixels; a multiple of 2^octave for octaves up to 7, so that bands are sampled as the photo is
REACH = 4  # of a window, in s₂
SCRATCH_VALUES = 1 << 20  # of windows at a time


@dataclass(frozen=True, eq=False)
class Columns:
    """K rows: every field of a subclass is an array (K,)."""

    def __len__(self) -> int:
        """K."""
        first: NDArray[Any] = getattr(self, fields(self)[0].name)
        return len(first)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Return some of the rows."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))


def least_contrast(contrast: float = CONTRAST) -> float:
    """C = 255 contrast / layers: the |D| in grey levels that a keypoint needs; 3.4 for 0.04."""
    return 255 * contrast / LAYERS


@dataclass(frozen=True, eq=False)
class Keypoints(Columns):
    """K keypoints of a photo, each place and scale once.

    Attributes:
        x: pixels from the left, float64 (K,).
        y: pixels from the top, float64 (K,).
        octave: from −1, where the photo is doubled, int64 (K,).
        layer: of the octave's differences of Gaussians, 1 to 3, int64 (K,).
        offset: of the refined extremum from its layer, in layers, float64 (K,).
        contrast: |D| at the refined extremum in grey levels, float64 (K,).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    octave: NDArray[np.int64]
    layer: NDArray[np.int64]
    offset: NDArray[np.float64]
    contrast: NDArray[np.float64]

    @cached_property
    def sigma(self) -> NDArray[np.float64]:
        """σ_l = 1.6 · 2^(layer/3 + octave): scale of the layer that a keypoint was found in, in pixels, (K,)."""
        return SIGMA * 2.0 ** (self.layer / LAYERS + self.octave)


def detect(image: NDArray[np.uint8], contrast: float = CONTRAST) -> Keypoints:
    """Find the keypoints of OpenCV's SIFT in a grey image (H, W) at its own size.

    Several keypoints at one place that differ in orientation alone are listed once. Images of more than
    5 megapixels are searched in bands of rows that overlap, so that memory stays bounded; keypoints of σ > 25 pixels
    beside a seam are then found or not by their band alone.

    Args:
        image: (H, W).
        contrast: OpenCV's contrastThreshold: the smaller, the weaker the keypoints that are listed.
    """
    sift = cv2.SIFT.create(contrastThreshold=contrast)
    height, width = image.shape
    # Whole margins, so that each band starts where the pyramid of the whole photo has a sample.
    rows = height if image.size <= BAND_PIXELS else max(1, BAND_PIXELS // width // MARGIN - 2) * MARGIN
    found = []
    for top in range(0, height, rows):
        first = max(0, top - MARGIN)
        band = np.ascontiguousarray(image[first : top + rows + MARGIN])
        for keypoint in sift.detect(band, None):
            x, y = keypoint.pt
            if top <= y + first < top + rows or rows == height:
                found.append((y + first, x, keypoint.octave, keypoint.response))
    if not found:
        nothing = np.zeros(0)
        return Keypoints(nothing, nothing, nothing.astype(np.int64), nothing.astype(np.int64), nothing, nothing)
    values = np.unique(np.array(found, dtype=np.float64), axis=0)
    packed = values[:, 2].astype(np.int64)
    return Keypoints(
        x=values[:, 1],
        y=values[:, 0],
        octave=((packed & 0xFF) ^ 0x80) - 0x80,
        layer=packed >> 8 & 0xFF,
        offset=(packed >> 16 & 0xFF) / 255 - 0.5,
        contrast=255 * values[:, 3],
    )


@dataclass(frozen=True, eq=False)
class _Profiles:
    """Gaussians of two widths along one axis around K places.

    Attributes:
        start: first pixel of each window, (K,).
        wide: weights of s₂, (K, P).
        narrow: weights of s₁, (K, P).
    """

    start: NDArray[np.int64]
    wide: NDArray[np.float64]
    narrow: NDArray[np.float64]


def _profiles(places: NDArray[np.float64], sigma: float, length: int) -> _Profiles:
    """Windows of P = min(2 ⌈4 s₂⌉ + 1, length) pixels inside an axis of `length` pixels."""
    narrow, wide = (np.sqrt((scale * sigma) ** 2 - 0.25) for scale in (1, 2 ** (1 / LAYERS)))
    radius = int(np.ceil(REACH * wide))
    pixels = np.rint(places).astype(np.int64)[:, None] + np.arange(-radius, radius + 1)
    size = min(2 * radius + 1, length)
    start = pixels[:, 0].clip(0, length - size)
    # A mirror at each end repeats every 2 (length − 1) pixels.
    mirrored = np.abs((pixels + length - 1) % max(2 * (length - 1), 1) - (length - 1))
    rows = np.arange(len(places))[:, None]
    square = (pixels - places[:, None]) ** 2

    def folded(s: float) -> NDArray[np.float64]:
        weights = np.exp(-square / (2 * s * s))
        weights /= weights.sum(1, keepdims=True)
        inside = np.zeros((len(places), size))
        np.add.at(inside, (rows, mirrored - start[:, None]), weights)
        return inside

    return _Profiles(start, folded(wide), folded(narrow))


def _groups(keypoints: Keypoints, shape: tuple[int, ...]) -> Iterator[tuple[NDArray[np.intp], _Profiles, _Profiles]]:
    """Keypoints of one scale at a time, no more than fit the scratch: which, and their profiles down and across."""
    for sigma in np.unique(keypoints.sigma):
        same = np.flatnonzero(keypoints.sigma == sigma)
        side = 2 * REACH * 2 ** (1 / LAYERS) * sigma + 3
        at_once = max(1, int(SCRATCH_VALUES / (min(side, shape[0]) * min(side, shape[1]))))
        for first in range(0, len(same), at_once):
            some = same[first : first + at_once]
            yield (
                some,
                _profiles(keypoints.y[some], sigma, shape[0]),
                _profiles(keypoints.x[some], sigma, shape[1]),
            )


def contrasts(image: NDArray[np.float64], keypoints: Keypoints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """D = ⟨w, image⟩ and ‖w‖² of each keypoint: two (K,); image (H, W) in grey levels."""
    value, energy = np.zeros(len(keypoints)), np.zeros(len(keypoints))
    for some, down, across in _groups(keypoints, image.shape):
        size = (down.wide.shape[1], across.wide.shape[1])
        windows = sliding_window_view(image, size)[down.start, across.start]
        for sign, rows, columns in ((1, down.wide, across.wide), (-1, down.narrow, across.narrow)):
            value[some] += sign * ((windows @ columns[:, :, None])[:, :, 0] * rows).sum(1)

        # ‖a bᵀ − c dᵀ‖² = |a|²|b|² − 2 (a·c)(b·d) + |c|²|d|²
        for factor, first, second in ((1, "wide", "wide"), (-2, "wide", "narrow"), (1, "narrow", "narrow")):
            rows, columns = ((getattr(axis, first) * getattr(axis, second)).sum(1) for axis in (down, across))
            energy[some] += factor * rows * columns
    return value, energy


def add_weights(image: NDArray[np.float64], keypoints: Keypoints, amounts: NDArray[np.float64]) -> None:
    """image += Σ_k amounts_k w_k, in place; image (H, W), amounts (K,)."""
    for some, down, across in _groups(keypoints, image.shape):
        scaled = amounts[some, None]
        left = np.stack([scaled * down.wide, -scaled * down.narrow], axis=2)
        right = np.stack([across.wide, across.narrow], axis=1)
        height, width = left.shape[1], right.shape[2]
        for top, start, patch in zip(down.start.tolist(), across.start.tolist(), left @ right, strict=True):
            image[top : top + height, start : start + width] += patch


def change_contrasts(grey: NDArray[np.uint8], keypoints: Keypoints, amounts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Grey levels (H, W) whose |D| at each keypoint grows by its amount (K,), with the least change for each alone.

    y = round₈(x + Σ_k sign(D_k) a_k w_k / ‖w_k‖²): min ‖e‖² subject to ⟨w, e⟩ = δ has the solution δ w / ‖w‖².
    """
    image = grey.astype(np.float64)
    values, energies = contrasts(image, keypoints)
    add_weights(image, keypoints, np.sign(values) * amounts / energies)
    return np.rint(image).clip(0, 255).astype(np.uint8)
