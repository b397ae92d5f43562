"""Where the searcher's detector finds SIFT keypoints, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.columns import Columns

CONTRAST = 0.04  # OpenCV's contrastThreshold; edgeThreshold 10, three layers and σ 1.6 are its defaults, too
LAYERS = 3
SIGMA = 1.6
BAND_PIXELS = 5_000_000  # the detector takes about 230 bytes a pixel
MARGIN = 128  # pixels; a multiple of 2^octave for octaves up to 7, so that bands are sampled as the photo is


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
    """Keypoints of OpenCV's SIFT in a grey image (H, W) of its own size.

    One place may hold several keypoints that differ in orientation alone; it is listed once. Images of more than
    5 megapixels are searched in bands of rows that overlap, so that memory stays bounded; keypoints of σ > 25 pixels
    beside a seam are then judged by what their band shows.

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
