"""Methods that remove or forge SIFT keypoints, stage by stage (RMD, LS and FMD)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.encoders import grey_levels
from recessive.protection.constants import Count, NotNegative, Positive, Share
from recessive.protection.keypoints.colour import least_change, recover_colour
from recessive.protection.keypoints.sift import LAYERS, Keypoints, change_contrasts, detect, least_contrast
from recessive.protection.method import GradientFree, MethodError

_PAPER = (
    "Do et al., Deluding Image Recognition in SIFT-based CBIR Systems, 2010; Liu, Zhao, Larson, ICMR 2019, section 6.1"
)
_COMMON = (
    "constants that the papers leave open are tuned on photos; grey is 0.299 R + 0.587 G + 0.114 B as the detector has "
    "it, not 0.30, 0.59, 0.11; pixels below grey level 1 become grey, and what colour recovery would put beyond 255 "
    "goes to the other channels, so that the detector sees exactly the levels that were made for it"
)
_RMD = "d_plus is 5 grey levels and a pass adds half of each patch, since neighbouring patches add up"
_LS = "half a scale around each keypoint is smoothed in up to ten passes with soft edges, not a whole window once"
_FMD = "d_minus is 2.5 grey levels, and each of three passes adds three quarters of each patch"


Stage = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""One way to change grey levels (H, W)."""


@dataclass(frozen=True)
class GreyMethod(GradientFree, ABC):
    """A method that changes the grey levels of each photo on its own; the colours follow.

    The run's budget cuts what the method did; the method does not plan for it.

    Attributes:
        colours: how colours follow the grey levels: by ratio, see `recover_colour`, or nearest, see `least_change`.
    """

    against: tuple[str, ...] = ("bovw-he",)
    colours: Literal["ratio", "nearest"] = "ratio"

    @abstractmethod
    def change_grey(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) to changed ones."""

    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:  # noqa: ARG002 - nothing is random
        """See `GradientFree`."""
        recolour = recover_colour if self.colours == "ratio" else least_change
        levels = [grey_levels(photo) for photo in photos]
        return torch.stack(
            [recolour(photo, grey, self.change_grey(grey)) for photo, grey in zip(photos, levels, strict=True)]
        )


@dataclass(frozen=True)
class RMD:
    """Removal with Minimum local Distortion: removes weak keypoints, those of C ≤ |D| ≤ C + d_plus.

    C is the contrast that a keypoint needs. The smallest patch e that brings a keypoint below C, min ‖e‖² subject to
    ⟨w, e⟩ = δ, is e = δ w / ‖w‖² with δ = −sign(D) (|D| − C + margin). Each pass adds a share of all patches, at most
    d_plus levels of contrast each, rounds to 8 bits and detects again: patches overlap, add up, and make other
    keypoints. It ends when no candidate is left, when a pass does not lower the contrast that is left over all
    candidates, or after `passes`.

    Do, Kijak, Furon, Amsaleg, "Deluding image recognition in SIFT-based CBIR systems", 2010; the constants are ours.

    Attributes:
        d_plus: the largest contrast above C that is lowered, in grey levels; the distortion grows with its square.
        share: the share of each patch that one pass adds; a smaller one distorts less, for as many keypoints removed.
        margin: the distance below C, in grey levels, that survives rounding.
        passes: the largest number of passes.
    """

    d_plus: Positive = 5.0
    share: Share = 0.5
    margin: NotNegative = 0.5
    passes: Count = 20

    def __call__(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) to levels with fewer weak keypoints."""
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


@dataclass(frozen=True)
class FMD:
    """Forging with Minimum local Distortion: makes keypoints of extrema that almost are, C − d_minus ≤ |D| < C.

    The mirror image of `RMD`: e = δ w / ‖w‖² with δ = sign(D) (C + margin − |D|). Candidates are what the detector
    lists at the lower contrast, so that they pass its edge test as well. Each pass adds a share of all patches, rounds
    to 8 bits and detects again; it ends when no candidate is left, or after `passes`.

    Do, Kijak, Furon, Amsaleg, "Deluding image recognition in SIFT-based CBIR systems", 2010; the constants are ours.

    Attributes:
        d_minus: the largest contrast below C that is raised, in grey levels.
        share: the share of each patch that one pass adds; neighbours add the rest.
        margin: the distance above C, in grey levels, that survives rounding.
        passes: the largest number of passes.

    Raises:
        MethodError: if d_minus is not between 0 and C.
    """

    d_minus: Positive = 2.5
    share: Share = 0.75
    margin: NotNegative = 0.5
    passes: Count = 3

    def __post_init__(self) -> None:
        if not 0 < self.d_minus < least_contrast():
            raise MethodError(
                f"d_minus must lie between 0 and {least_contrast():.1f}, the contrast that a keypoint needs, not be "
                f"{self.d_minus:g}"
            )

    def __call__(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) to levels with more keypoints."""
        least = least_contrast()
        for _ in range(self.passes):
            found = detect(grey, (least - self.d_minus) * LAYERS / 255)
            almost = found[found.contrast < least]
            if not len(almost):
                break
            grey = change_contrasts(grey, almost, self.share * (least + self.margin - almost.contrast))
        return grey


@dataclass(frozen=True)
class LS:
    """Local Smoothing of a window around each keypoint: y = x + m (g_σ * x − x), g_σ a Gaussian.

    The weight m is 1 up to h = half σ_l pixels from a keypoint of scale σ_l, along the farther axis, and falls to 0
    over `blend` pixels more: a seam would be a keypoint of its own. Each pass detects again, so that what is still a
    keypoint is smoothed further; it ends when none is left, or after `passes`.

    Do, Kijak, Furon, Amsaleg, "Deluding image recognition in SIFT-based CBIR systems", 2010; only σ is theirs.

    Attributes:
        sigma: the σ of the Gaussian, in pixels.
        half: half the side of the window, in scales of the keypoint.
        blend: the width of the soft edge, in pixels.
        passes: the largest number of passes.
    """

    sigma: Positive = 1.3
    half: Positive = 0.5
    blend: Positive = 1.5
    passes: Count = 10

    def __call__(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) to levels that are smooth where keypoints were."""
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


@dataclass(frozen=True)
class KeypointMethod(GreyMethod):
    """The photo's grey levels through one stage after another.

    A photo without keypoints that a stage could change comes back as it was, and a grey one stays grey.

    Attributes:
        stages: the stages, in the order in which they are applied.
    """

    paper: str = _PAPER
    departures: str = _COMMON
    stages: tuple[Stage, ...] = ()

    def change_grey(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `GreyMethod`."""
        for stage in self.stages:
            grey = stage(grey)
        return grey


STAGED_METHODS = (
    KeypointMethod(
        name="rmd",
        summary="lowers the contrast of weak SIFT keypoints",
        departures=f"{_RMD}; {_COMMON}",
        stages=(RMD(),),
    ),
    KeypointMethod(
        name="ls",
        summary="smooths what surrounds SIFT keypoints",
        departures=f"{_LS}; {_COMMON}",
        stages=(LS(),),
    ),
    KeypointMethod(
        name="fmd",
        summary="forges SIFT keypoints",
        departures=f"{_FMD}; {_COMMON}",
        stages=(FMD(),),
    ),
    KeypointMethod(
        name="rmd+ls",
        summary="lowers the contrast of weak SIFT keypoints and smooths the others",
        departures=f"{_RMD}; {_LS}; {_COMMON}",
        stages=(RMD(), LS()),
    ),
    KeypointMethod(
        name="ls+fmd",
        summary="smooths what surrounds SIFT keypoints, then forges others",
        departures=f"{_LS}; {_FMD}; {_COMMON}",
        stages=(LS(), FMD()),
    ),
)
