"""Which of a photo's keypoints are still there after a change."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recessive.protection.keypoints.rdg.detector import Extrema

RATIO = 1.5  # of squared distances, second nearest to nearest
DISPLACED = 8.0  # pixels
_AT_ONCE = 512  # rows of a matrix of distances


def describe(grey: NDArray[np.uint8], keypoints: Extrema) -> NDArray[np.float32]:
    """Upright SIFT descriptors (K, 128) of keypoints in a grey photo (H, W), by OpenCV: whole numbers."""
    if not len(keypoints):
        return np.zeros((0, 128), np.float32)
    places = zip(
        keypoints.x.tolist(),
        keypoints.y.tolist(),
        (2 * keypoints.sigma).tolist(),
        (keypoints.octave % 256 + 256 * keypoints.layer).tolist(),
        strict=True,
    )
    points = [cv2.KeyPoint(x, y, size, angle=0, octave=packed) for x, y, size, packed in places]
    kept, descriptors = cv2.SIFT.create().compute(grey, points)
    if len(kept) != len(points):
        raise RuntimeError(f"OpenCV describes {len(kept)} of {len(points)} keypoints")
    found: NDArray[np.float32] = descriptors
    return found


def matches(
    first: Extrema,
    first_descriptors: NDArray[np.float32],
    second: Extrema,
    second_descriptors: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Extrema of a photo that a changed one still has: pairs (M, 2) of places in `first` and `second`.

    A keypoint's match is the one with the nearest descriptor, where the second nearest is RATIO times as far (squared
    L2) and the two keypoints lie less than DISPLACED pixels apart.
    """
    if not len(first) or not len(second):
        return np.zeros((0, 2), np.int64)
    places = np.stack([first.x, first.y], 1), np.stack([second.x, second.y], 1)
    near = cKDTree(places[1]).query(places[0], distance_upper_bound=DISPLACED)[0]
    asked = np.nonzero(np.isfinite(near))[0]
    squares = (second_descriptors**2).sum(1)
    pairs = []
    for start in range(0, len(asked), _AT_ONCE):
        rows = asked[start : start + _AT_ONCE]
        mine = first_descriptors[rows]
        distances = (mine**2).sum(1)[:, None] + squares - 2 * mine @ second_descriptors.T
        nearest = distances.argmin(1)
        best = distances[np.arange(len(rows)), nearest]
        distances[np.arange(len(rows)), nearest] = np.inf
        distinct = RATIO * best <= distances.min(1)
        apart = np.linalg.norm(places[0][rows] - places[1][nearest], axis=1)
        chosen = distinct & (apart < DISPLACED)
        pairs.append(np.stack([rows, nearest], 1)[chosen])
    return np.concatenate([np.zeros((0, 2), np.int64), *pairs])
