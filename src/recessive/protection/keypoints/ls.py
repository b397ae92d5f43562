"""LS: Local Smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from recessive.protection.keypoints.detector import detect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recessive.protection.keypoints.detector import Keypoints


@dataclass(frozen=True)
class LS:
    """Smooths a window around each keypoint: y = x + m (g_σ * x − x), g_σ a Gaussian.

    The weight m is 1 up to h = half σ_l pixels from a keypoint of scale σ_l, along the farther axis, and falls to 0
    over `blend` pixels more: a seam would be a keypoint of its own. Each pass detects again, so that what is still a
    keypoint is smoothed further; it ends when none is left, or after `passes`.

    Do, Kijak, Furon, Amsaleg, "Understanding the security and robustness of SIFT", 2010; all constants but σ are ours.

    Attributes:
        sigma: of the Gaussian, in pixels.
        half: half the window's side, in scales of the keypoint.
        blend: pixels.
        passes: at most so many.
    """

    sigma: float = 1.3
    half: float = 0.5
    blend: float = 1.5
    passes: int = 10

    def __call__(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W), smooth where keypoints were."""
        for _ in range(self.passes):
            found = detect(grey)
            if not len(found):
                break
            sharp = grey.astype(np.float32)
            smooth = cv2.GaussianBlur(sharp, (0, 0), self.sigma)
            grey = np.rint(sharp + self._windows(found, grey.shape) * (smooth - sharp)).astype(np.uint8)
        return grey

    def _windows(self, keypoints: Keypoints, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The weights m (H, W): of each pixel that of the window in which it lies deepest."""
        weights = np.zeros(shape, np.float32)
        for sigma in np.unique(keypoints.sigma):
            same = keypoints.sigma == sigma
            elsewhere = np.ones(shape, np.uint8)
            elsewhere[np.rint(keypoints.y[same]).astype(int), np.rint(keypoints.x[same]).astype(int)] = 0
            farther_axis = cv2.distanceTransform(elsewhere, cv2.DIST_C, 3)
            inside = ((self.half * sigma + self.blend - farther_axis) / self.blend).clip(0, 1)
            np.maximum(weights, inside, out=weights)
        return weights
