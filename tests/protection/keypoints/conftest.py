"""Grey images whose keypoints are known, and textures that have many."""

from __future__ import annotations

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def draw_blobs():
    """Draws Gaussian blobs (x, y, σ, height) on a plain ground; exact levels, not rounded."""

    def draw(height, width, *blobs, ground=120):
        down, across = np.mgrid[:height, :width]
        image = np.full((height, width), float(ground))
        for x, y, sigma, amplitude in blobs:
            image += amplitude * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * sigma**2))
        return image

    return draw


@pytest.fixture(scope="session")
def draw_texture():
    """Noise of several scales, as 8-bit levels."""

    def draw(height, width, seed=0):
        generator = np.random.default_rng(seed)
        image = np.full((height, width), 128.0)
        for sigma in (1.5, 2.5, 5):
            grain = cv2.GaussianBlur(generator.normal(size=(height, width)), (0, 0), sigma)
            image += 14 * grain / grain.std()
        return image.round().clip(0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def blob_contrast():
    """D of the layer of scale σ_l at the centre of a blob (σ, height): the closed form.

    Blurred by s, a blob has the height A σ² / (σ² + s²) at its centre.
    """

    def contrast(sigma, amplitude, layer_sigma):
        narrow, wide = (scale * layer_sigma**2 - 0.25 for scale in (1, 2 ** (2 / 3)))
        return amplitude * sigma**2 * (1 / (sigma**2 + wide) - 1 / (sigma**2 + narrow))

    return contrast
