"""The difference of Gaussians that SIFT sees at a keypoint, as a linear function of the photo's pixels.

With s₁² = σ² − ¼ and s₂² = (2^⅓ σ)² − ¼ (the photo itself is taken to be blurred by ½ pixel),

  D = ⟨w, image⟩,  w = g(· − p; s₂) − g(· − p; s₁),

g a Gaussian of unit sum, p the keypoint's place, σ the scale of its layer. No pyramid is needed. As in the detector,
the photo is mirrored at its border: weights that fall outside count for the pixel that is mirrored there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recessive.protection.keypoints.detector import LAYERS, Keypoints

REACH = 4  # of a window, in s₂
SCRATCH_VALUES = 1 << 20  # of windows at a time


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
