"""Which SIFT keypoints of a photo are still found in its protected version, by the detector that searchers use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from recessive.encoders import SIFT, LocalFeatures, grey_levels
from recessive.quality import psnr, ssim

SAME_PLACE = 0.5  # times the scale σ of the keypoint
SAME_SCALE = 2 ** (1 / 6)  # half a layer up or down
RATIO = 0.8  # Lowe's test: distance to the nearest / distance to the second nearest descriptor
DISPLACEMENT = 8.0  # pixels within which a matched keypoint counts as the same
_ROWS = 1024  # descriptors compared at a time


@dataclass(frozen=True)
class KeypointReport:
    """SIFT keypoints of a photo and of its protected version, and what the protection cost.

    A place with a scale is one keypoint, however many orientations it has.

    Attributes:
        before: the number of keypoints of the original.
        after: the number of keypoints of the protected photo.
        kept: how many keypoints of the original have one of the protected photo within σ/2, at a scale within 2^±⅙ σ.
        new: how many keypoints of the protected photo have none of the original so near.
        removal_rate: (features of the original − matched ones) / features of the original. A feature is a keypoint with
            one orientation. It is matched if its nearest descriptor in the protected photo passes the ratio test, 0.8,
            and belongs to a keypoint less than 8 pixels away. 0 where the original has no features.
        psnr: of the colour photos, in dB; infinite for equal photos.
        ssim: of the colour photos.
        ssim_grey: of their grey levels.
    """

    before: int
    after: int
    kept: int
    new: int
    removal_rate: float
    psnr: float
    ssim: float
    ssim_grey: float


def keypoint_report(original: Tensor, protected: Tensor, sift: SIFT | None = None) -> KeypointReport:
    """Compare the keypoints of two photos (3, H, W) in [0, 1] of the same size.

    Args:
        original: the photo before protection.
        protected: the protected photo as read from its file.
        sift: the detector; OpenCV's constants at the size that searchers use when None.

    Raises:
        ValueError: if sizes differ, or a side is shorter than the window of SSIM, 11 pixels.
    """
    if original.shape != protected.shape:
        raise ValueError(f"the photos differ in size: {tuple(original.shape)} and {tuple(protected.shape)}")
    sift = sift or SIFT()
    first, second = sift.features(original), sift.features(protected)
    places, others = _places(first), _places(second)
    greys = [torch.from_numpy(grey_levels(photo))[None, None].float() / 255 for photo in (original, protected)]
    return KeypointReport(
        before=len(places),
        after=len(others),
        kept=int(_has_near(places, others).sum()),
        new=int((~_has_near(others, places)).sum()),
        removal_rate=(len(first) - int(_matched(first, second).sum())) / max(len(first), 1),
        psnr=float(psnr(original[None], protected[None])),
        ssim=float(ssim(original[None], protected[None])),
        ssim_grey=float(ssim(greys[0], greys[1])),
    )


def _places(features: LocalFeatures) -> NDArray[np.float32]:
    """The distinct places and scales of features: (K, 3) with x, y, σ."""
    values = features.keypoints[:, :3] / np.array([1, 1, 2], np.float32)
    return np.unique(values, axis=0)


def _has_near(places: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of `places` (K, 3) have one of `others` (M, 3) at the same place and scale (K,)."""
    reach = SAME_PLACE * places[:, 2]
    if not len(others):
        return np.zeros(len(places), dtype=np.bool_)
    near = cKDTree(others[:, :2]).query_ball_point(places[:, :2], reach)
    counts = np.array([len(some) for some in near], dtype=np.intp)
    rows = np.repeat(np.arange(len(places)), counts)
    columns = np.fromiter((place for some in near for place in some), dtype=np.intp, count=counts.sum())
    alike = np.abs(np.log(others[columns, 2] / places[rows, 2])) <= np.log(SAME_SCALE)
    found = np.zeros(len(places), dtype=np.bool_)
    found[rows[alike]] = True
    return found


def _matched(first: LocalFeatures, second: LocalFeatures) -> NDArray[np.bool_]:
    """Which features of the first photo are found in the second by their descriptor, near their place (K,)."""
    found = np.zeros(len(first), dtype=np.bool_)
    if not len(second):
        return found
    candidates = torch.from_numpy(second.descriptors)
    for start in range(0, len(first), _ROWS):
        rows = slice(start, start + _ROWS)
        distances = torch.cdist(torch.from_numpy(first.descriptors[rows]), candidates)
        nearest, columns = distances.topk(min(2, len(second)), largest=False)
        away = first.keypoints[rows, :2] - second.keypoints[columns[:, 0].numpy(), :2]
        alike = (nearest[:, 0] <= RATIO * nearest[:, -1]) | (nearest.shape[1] < 2)
        found[rows] = alike.numpy() & (np.hypot(away[:, 0], away[:, 1]) < DISPLACEMENT)
    return found
