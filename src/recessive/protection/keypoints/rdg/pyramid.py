"""The scale space that RDG attacks, as VLFeat has it.

Octave o samples the photo every 2^o pixels, at 6 scales σ_l = 1.6 · 2^(l/3 + o), l = 0..5; the photo itself is taken to
be blurred by σ = 0.5. Layer l of the differences of Gaussians (DoG) is D_l = G_{l+1} − G_l, l = 0..4; keypoints lie in
layers 1..3. Octaves below 0 begin with the photo enlarged linearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LAYERS = 3  # of an octave that hold keypoints
SIGMA = 1.6  # of the first Gaussian of an octave, in its samples
ASSUMED_BLUR = 0.5  # of a photo, in pixels
SMALLEST = 3  # samples: a shorter side has no inner sample


def _blur(image: NDArray[Any], sigma: float, *, rows_only: bool) -> NDArray[Any]:
    """Convolution with exp(−x²/2σ²), |x| ≤ ⌈4 σ⌉, of unit sum; the border is repeated outwards."""
    reach = math.ceil(4 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    across = np.ones(1) if rows_only else kernel
    blurred: NDArray[Any] = cv2.sepFilter2D(image, -1, across, kernel, borderType=cv2.BORDER_REPLICATE)
    return blurred


def _double(image: NDArray[Any]) -> NDArray[Any]:
    """Twice as many rows: each followed by its mean with the next, the last by itself."""
    below = np.concatenate([image[1:], image[-1:]])
    return np.stack([image, (image + below) / 2], 1).reshape(2 * len(image), -1)


def scales(
    image: NDArray[Any], first: int, last: int, *, rows_only: bool = False
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Gaussians of an image (H, W), floating point: (o, l, G_l (⌊H/2^o⌋, ⌊W/2^o⌋)) from fine to coarse.

    Args:
        image: a photo or, with `rows_only`, columns that are a signal each.
        first: octave to begin with, at most 0. Later octaves depend on it a little: enlarging blurs.
        last: octave to end with, where the image has room for it.
        rows_only: leave rows as they are.
    """
    for _ in range(-first):
        image = _double(image)
        image = image if rows_only else np.ascontiguousarray(_double(image.T).T)
    base = _blur(image, math.sqrt(SIGMA**2 - (ASSUMED_BLUR * 2**-first) ** 2), rows_only=rows_only)
    for octave in range(first, last + 1):
        if min(base.shape[: 1 if rows_only else 2]) < SMALLEST:
            return
        level, seed = base, base
        yield octave, 0, level
        for number in range(1, LAYERS + 3):
            step = SIGMA * math.sqrt(2 ** (2 * number / LAYERS) - 2 ** (2 * (number - 1) / LAYERS))
            level = _blur(level, step, rows_only=rows_only)
            seed = level if number == LAYERS else seed  # twice the first scale: the next octave's first
            yield octave, number, level
        height, width = seed.shape
        across = slice(None) if rows_only else slice(0, width - width % 2, 2)
        base = np.ascontiguousarray(seed[: height - height % 2 : 2, across])


def differences(image: NDArray[Any], first: int, octaves: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """DoG layers of an image (H, W): (o, D (5, ⌊H/2^o⌋, ⌊W/2^o⌋)) of the asked octaves that it has room for.

    Args:
        image: floating point.
        first: octave that the pyramid begins with, at most 0.
        octaves: from first.
    """
    previous = image
    layers = np.empty(0)
    for octave, number, level in scales(image, first, max(octaves)):
        if octave not in octaves:
            continue
        if number == 0:
            layers = np.empty((LAYERS + 2, *level.shape), level.dtype)
        else:
            np.subtract(level, previous, out=layers[number - 1])
        previous = level
        if number == LAYERS + 2:
            yield octave, layers
