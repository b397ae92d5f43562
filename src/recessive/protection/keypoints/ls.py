"""LS: Local Smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.detector import Keypoints, detect


@dataclass(frozen=True)
class LS:
    """Smooths a window around each keypoint: y = x + m (g_σ * x − x), g_σ a Gaussian.

    The weight m is 1 up to h = half σ_l pixels from a keypoint of scale σ_l, along the farther axis, and falls to 0
    over `blend` pixels more: a seam would be a keypoint of its own. Each pass detects again, so that what is still a
    keypoint is smoothed further; it ends when none is left, or after `passes`.

    Do, Kijak, Furon, Amsaleg, "Deluding image recognition in SIFT-based CBIR systems", 2010; only σ is theirs.

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
            tops, rows = self._ramps(keypoints.y[same], sigma, shape[0])
            lefts, columns = self._ramps(keypoints.x[same], sigma, shape[1])
            for top, left, down, across in zip(tops.tolist(), lefts.tolist(), rows, columns, strict=True):
                window = weights[top : top + len(down), left : left + len(across)]
                np.maximum(window, np.minimum.outer(down, across), out=window)
        return weights

    def _ramps(
        self, places: NDArray[np.float64], sigma: float, length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Along one axis of `length` pixels, where windows around places (K) start, and their weights (K, P)."""
        far = self.half * sigma + self.blend
        size = min(2 * int(np.ceil(far)) + 1, length)
        starts = (np.rint(places).astype(np.int64) - size // 2).clip(0, length - size)
        away = np.abs(starts[:, None] + np.arange(size) - places[:, None])
        return starts, ((far - away) / self.blend).clip(0, 1).astype(np.float32)
