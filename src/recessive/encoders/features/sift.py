"""SIFT: keypoints of a photo, and a descriptor of what surrounds each.

Lowe, "Distinctive image features from scale-invariant keypoints", 2004, as OpenCV computes it; RootSIFT is of
Arandjelović, Zisserman, "Three things everyone should know to improve object retrieval", 2012.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LENGTH = 128  # of a descriptor: 4 × 4 parts of the surroundings, 8 directions of the gradient in each


def grey_levels(photo: Tensor) -> NDArray[np.uint8]:
    """What the detector sees: round(0.299 R + 0.587 G + 0.114 B) of the photo rounded to 8 bits.

    The weighted sum is OpenCV's RGB2GRAY, in its fixed-point numbers.

    Args:
        photo: (3, H, W) in [0, 1]; values beyond are clamped.

    Returns:
        (H, W), levels 0 to 255.

    Raises:
        ValueError: another shape, a side of no pixels, or values that are not finite.
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
        keypoints: (K, 4), float32: x and y in pixels of the photo as given, (0, 0) being the centre of its first
            pixel; size, twice the scale σ, in the same pixels; angle in degrees, clockwise, from 0 to 360.
        descriptors: (K, 128), float32.
    """

    keypoints: NDArray[np.float32]
    descriptors: NDArray[np.float32]

    def __len__(self) -> int:
        """How many local features the photo has."""
        return len(self.keypoints)


@dataclass(frozen=True)
class SIFT:
    """Local features of a photo. Safe to call from several threads at once.

    A photo whose longer side is beyond `longest_side` is shrunk to it, its grey levels averaged over areas; none is
    enlarged. Keypoints are extrema of differences of Gaussians D over place and scale, their contrast |D| at least
    `contrast` / `layers` × 255 levels and tr(H)² / det(H) < (`edge` + 1)² / `edge` for the Hessian H of D. A
    place where two directions dominate has two keypoints. A descriptor v has 128 values ≥ 0; as RootSIFT it is
    √(v / ‖v‖₁), of length 1, so that Euclidean distances compare as the Hellinger kernel does.

    Args:
        contrast: contrast threshold, for grey levels in [0, 1] and divided by the layers.
        edge: edge threshold.
        sigma: blur of the first layer in pixels of the photo enlarged twice, which is where the detector begins.
        layers: in each octave.
        root: give RootSIFT; otherwise whole numbers from 0 to 255.
        longest_side: in pixels.

    Raises:
        ValueError: a constant without meaning.
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
        """Keypoints and descriptors of a photo (3, H, W) in [0, 1], in an order that depends on the photo alone.

        Constant photos, and those of a few pixels, have none.

        Raises:
            ValueError: see `grey_levels`.
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
