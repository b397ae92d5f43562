"""RMD: Removal with Minimum local Distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.detector import detect, least_contrast
from recessive.protection.keypoints.dog import change_contrasts


@dataclass(frozen=True)
class RMD:
    """Removes weak keypoints: those of C ≤ |D| ≤ C + d_plus, where C is the contrast that a keypoint needs.

    The smallest patch e that brings a keypoint below C, min ‖e‖² subject to ⟨w, e⟩ = δ, is e = δ w / ‖w‖² with
    δ = −sign(D) (|D| − C + margin). Each pass adds a share of all patches, at most d_plus levels of contrast each,
    rounds to 8 bits and detects again: patches overlap, add up, and make other keypoints. It ends when no candidate
    is left, when a pass leaves no less contrast to lower, over all candidates, or after `passes`.

    Do, Kijak, Furon, Amsaleg, "Deluding image recognition in SIFT-based CBIR systems", 2010; the constants are ours.

    Attributes:
        d_plus: in grey levels of contrast; the distortion grows with its square.
        share: of each patch that one pass adds; less of it distorts less, for as many keypoints removed.
        margin: below C, in grey levels; it survives rounding.
        passes: at most so many.
    """

    d_plus: float = 5.0
    share: float = 0.5
    margin: float = 0.5
    passes: int = 20

    def __call__(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) with fewer weak keypoints."""
        least, left = least_contrast(), math.inf
        for _ in range(self.passes):
            found = detect(grey)
            weak = found[found.contrast <= least + self.d_plus]
            falls = (weak.contrast - least + self.margin).clip(max=self.d_plus)
            if not 0 < falls.sum() < left:
                break
            left = falls.sum()
            grey = change_contrasts(grey, weak, -self.share * falls)
        return grey
