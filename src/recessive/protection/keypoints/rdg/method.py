"""RDG: keypoints removed by reordering the differences of Gaussians around them, with the least change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.encoders import Outputs
from recessive.encoders.features.sift import grey_levels
from recessive.protection.keypoints.colour import recover_colour
from recessive.protection.keypoints.rdg.attack import Plane, attack
from recessive.protection.keypoints.rdg.detector import Detector, Extrema
from recessive.protection.keypoints.rdg.matching import describe, matches
from recessive.protection.method import Need, Run, Surrogate, check
from recessive.protection.obfuscation.finish import finish
from recessive.protection.optimise import Minimised


@dataclass(frozen=True)
class RDG:
    """Removal via Directed Graph construction, on the grey levels; colours are recovered afterwards.

    A keypoint is an extremum D(c₀) of the DoG. Of its 7 × 7 samples in all 5 layers, 5 × 5 in the 3 inner layers shall
    each keep a larger and a smaller neighbour, so that none of them is an extremum:

        min ‖d‖₂  with  D(c) + t ≤ D(above(c)),  D(below(c)) + t ≤ D(c)  for each inner sample c,

    d being the change of the 7 × 7 pixels around. above(c) and below(c) are the largest and the smallest of the 26
    neighbours, but for a maximum c₀ (minima are mirrored), where above follows the cheapest path c₀ → c₁ → … out of
    the block, or to a sample with a larger neighbour: above(cᵢ) = cᵢ₊₁; see `rdg_graph`. D is linear in d, and the
    program has one minimum; see `rdg_program`. d is rounded away from 0. It is rejected when max |d| ≥ `largest`, which
    grows by `relief` a loop after the first `strict` loops. t begins as `gap` and shrinks by `decay` a loop.

    Each loop detects, and attacks the keypoints that still match one of the original photo; see `rdg_matching`. Loops
    end when there is none, or when a loop changes nothing and has rejected nothing that a later one might accept.

    Attributes:
        detector: whose keypoints are removed.
        loops: at most so many.
        gap: t of the first loop, in grey levels.
        fine_gap: t of the first loop in octaves up to 0, where several octaves are searched.
        decay: of t, a loop.
        largest: change of a pixel that rejects d, in grey levels.
        strict: loops before `largest` grows.
        relief: what `largest` grows by, a loop.
    """

    name: str = "rdg"
    summary: str = "removes SIFT keypoints: the least change that leaves no extremum around each"
    paper: str = (
        "Li, Zhou, Cheng, SIFT Keypoint Removal via Directed Graph Construction for Color Images, IEEE TIFS 2017, and "
        "its released code; Liu, Zhao, Larson, ICMR 2019, section 6.1"
    )
    departures: str = (
        "the released code takes one keypoint after another and runs at most 50 iterations of an active-set SQP on it; "
        "here keypoints whose blocks share no pixel are solved at once, exactly, with the DoG of the whole photo in "
        "place of a clip of 33 × 33 pixels. Other extrema of a block, which can have no larger and smaller neighbour, "
        "shall not grow. In octaves above 0 the variables are changes at the octave's samples, interpolated linearly. "
        "Descriptors are OpenCV's, upright, at keypoints by VLFeat's rules. Grey levels are OpenCV's, and colours are "
        "recovered by ratio, as for the other keypoint methods. Loops end early when nothing is left to gain"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset()
    budget: float = 255.0
    steps: int = 0
    detector: Detector = field(default_factory=Detector)
    loops: int = 40
    gap: float = 0.001
    fine_gap: float = 0.01
    decay: float = 0.95
    largest: float = 15.0
    strict: int = 5
    relief: float = 3.0

    def remove(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) to grey levels of which the detector finds as few of the same keypoints as it can."""
        image = grey.astype(np.float32)
        height, width = grey.shape
        layers = self.detector.layers(image)
        keypoints = originals = self.detector.keypoints(layers)
        descriptors = known = describe(grey, originals)
        planes = {octave: Plane.of(height, width, self.detector.first, octave) for octave in layers}
        for loop in range(self.loops):
            kept = np.unique(matches(originals, known, keypoints, descriptors)[:, 1])
            if not len(kept) or not self._pass(image, layers, keypoints[kept], planes, loop):
                break
            layers = self.detector.layers(image)
            keypoints = self.detector.keypoints(layers)
            descriptors = describe(image.astype(np.uint8), keypoints)
        return image.astype(np.uint8)

    def _pass(
        self,
        image: NDArray[np.float32],
        layers: dict[int, NDArray[np.float32]],
        keypoints: Extrema,
        planes: dict[int, Plane],
        loop: int,
    ) -> bool:
        """One loop over some keypoints of an image with these DoG layers, in place; whether another may do more."""
        largest = self.largest + self.relief * max(0, loop + 1 - self.strict)
        before, costly, moved = image.copy(), 0, False
        for octave, plane in planes.items():
            gap = self.fine_gap if octave <= 0 and len(self.detector.octaves) > 1 else self.gap
            for part in plane.apart(keypoints[keypoints.octave == octave]):
                if moved:
                    layers = self.detector.layers(image, octave)
                costly += attack(image, layers[octave], part, plane, gap * self.decay**loop, largest)
                moved = True
        return costly > 0 or not np.array_equal(image, before)

    def _protected(self, photo: Tensor) -> Tensor:
        before = grey_levels(photo)
        return recover_colour(photo, before, self.remove(before))

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        return finish(torch.stack([self._protected(photo) for photo in photos]), photos, run)
