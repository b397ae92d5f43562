"""FMD: Forging with Minimum local Distortion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.detector import LAYERS, detect, least_contrast
from recessive.protection.keypoints.dog import change_contrasts


@dataclass(frozen=True)
class FMD:
    """Makes keypoints of extrema that almost are: C − d_minus ≤ |D| < C, where C is the contrast that a keypoint needs.

    The mirror of `RMD`: e = δ w / ‖w‖² with δ = sign(D) (C + margin − |D|). Candidates are what the detector lists at
    the lower contrast, so that they pass its test of edges, too. Each pass adds a share of all patches, rounds to
    8 bits and detects again; it ends when no candidate is left, or after `passes`.

    Do, Kijak, Furon, Amsaleg, "Deluding image recognition in SIFT-based CBIR systems", 2010; the constants are ours.

    Attributes:
        d_minus: in grey levels of contrast.
        share: of each patch that one pass adds; neighbours add the rest.
        margin: above C, in grey levels; it survives rounding.
        passes: at most so many.

    Raises:
        ValueError: d_minus is not between 0 and C.
    """

    d_minus: float = 2.5
    share: float = 0.75
    margin: float = 0.5
    passes: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.d_minus < least_contrast():
            raise ValueError(
                f"d_minus lies between 0 and {least_contrast():.1f}, what a keypoint needs: {self.d_minus}"
            )

    def __call__(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) with more keypoints."""
        least = least_contrast()
        for _ in range(self.passes):
            found = detect(grey, (least - self.d_minus) * LAYERS / 255)
            almost = found[found.contrast < least]
            if not len(almost):
                break
            grey = change_contrasts(grey, almost, self.share * (least + self.margin - almost.contrast))
        return grey
