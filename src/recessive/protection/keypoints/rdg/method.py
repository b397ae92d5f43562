"""RDG: keypoints removed by reordering the differences of Gaussians around them, with the least change.

The parts, in the order in which a pass uses them: `detector` finds the keypoints that are still there, `graph` chooses
the order of the samples around each, `jacobian` says how samples move with pixels, and `program` finds the smallest
change of the pixels that brings about the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recessive.protection.constants import NotNegative, Positive, Share, Whole
from recessive.protection.keypoints.methods import GreyMethod
from recessive.protection.keypoints.rdg.detector import Detector, Extrema, describe, matches
from recessive.protection.keypoints.rdg.graph import neighbourhood, ordering
from recessive.protection.keypoints.rdg.jacobian import Axis, jacobians, tents
from recessive.protection.keypoints.rdg.program import inequalities, smallest_changes

REACH = 3  # blocks of 7 × 7 variables
BORDER_REACH = 1  # 3 × 3 where 7 × 7 do not fit
_NOTHING = 1e-6  # grey levels, below which a change is rounding
_AT_ONCE = 128  # programs; one takes about 0.2 MB


@dataclass(frozen=True)
class Plane:
    """An octave of a photo.

    Attributes:
        down: the axis of rows.
        across: the axis of columns.
    """

    down: Axis
    across: Axis

    @classmethod
    def of(cls, height: int, width: int, first: int, octave: int) -> Plane:
        """Return an octave of a photo of height × width pixels, in a pyramid that begins with octave `first`."""
        return cls(Axis(height, first, octave), Axis(width, first, octave))

    def fits(self, keypoints: Extrema, reach: int) -> NDArray[np.bool_]:
        """Tell which keypoints have their block inside the octave: (K,), bool."""
        return self.down.fits(keypoints.row, reach) & self.across.fits(keypoints.column, reach)

    def centres(self, keypoints: Extrema) -> NDArray[np.int64]:
        """Return the row and the column of the variable at each keypoint: (K, 2)."""
        return np.stack([self.down.variable(keypoints.row), self.across.variable(keypoints.column)], 1)

    def apart(self, keypoints: Extrema) -> Iterator[Extrema]:
        """Divide keypoints greedily into few sets, in each of which no pixel belongs to two blocks."""
        # Above octave 0, interpolation carries a block to the pixels before the variables beside it.
        close = 2 * REACH + (1.5 if self.down.octave > 0 else 0.5)
        pairs = cKDTree(self.centres(keypoints)).query_pairs(close, p=np.inf, output_type="ndarray")
        left = np.ones(len(keypoints), bool)
        while left.any():
            chosen, free = np.zeros_like(left), left.copy()
            while free.any():
                first = free.copy()
                first[pairs[free[pairs].all(1)].max(1)] = False  # those with no earlier free neighbour remain
                chosen |= first
                free &= ~first
                free[pairs[first[pairs].any(1)]] = False
            yield keypoints[chosen]
            left &= ~chosen


def attack(
    image: NDArray[np.float32],
    dogs: NDArray[np.float32],
    keypoints: Extrema,
    plane: Plane,
    gap: float,
    largest: float,
) -> int:
    """Change the blocks of keypoints that lie apart, in place; see `Plane.apart`.

    Args:
        image: grey levels (H, W), whole numbers; changed.
        dogs: its DoG layers (5, H_o, W_o) in the keypoints' octave.
        keypoints: keypoints of one octave.
        plane: that octave.
        gap: the strictness of the wanted order, in grey levels.
        largest: the smallest change of a variable that is too large, in grey levels.

    Returns:
        The number of keypoints that need a larger change.
    """
    inner, border = plane.fits(keypoints, REACH), plane.fits(keypoints, BORDER_REACH)
    costly = 0
    for reach, part in ((REACH, keypoints[inner]), (BORDER_REACH, keypoints[border & ~inner])):
        for start in range(0, len(part), _AT_ONCE):
            some = part[np.arange(start, min(start + _AT_ONCE, len(part)))]
            costly += _attack(image, dogs, some, plane, reach, gap, largest)
    return costly


def _attack(
    image: NDArray[np.float32],
    dogs: NDArray[np.float32],
    keypoints: Extrema,
    plane: Plane,
    reach: int,
    gap: float,
    largest: float,
) -> int:
    graph, side, around = neighbourhood(reach), 2 * reach + 1, np.arange(-reach, reach + 1)
    rows, columns = keypoints.row[:, None, None] + around[:, None], keypoints.column[:, None, None] + around
    block = dogs[:, rows, columns].swapaxes(0, 1).reshape(len(keypoints), -1)
    values = keypoints.sign[:, None] * block.astype(np.float64)
    start = (keypoints.layer * side + reach) * side + reach
    each = np.arange(len(keypoints))
    # What other blocks have moved or ended already waits for the next detection.
    still = values[each, start] > values[each[:, None], graph.neighbours[start]].max(1)
    keypoints, values, start = keypoints[still], values[still], start[still]
    moves, whose = jacobians(plane.down, plane.across, keypoints.row, keypoints.column, reach)
    above, below = ordering(values, start, graph)
    matrix, bounds = inequalities(values, moves, whose, above, below, gap, graph)
    solved = smallest_changes(matrix, bounds, largest * side)
    small = np.abs(solved.change).max(1, initial=0) < largest
    done = solved.found & small
    change = keypoints.sign[:, None] * solved.change
    _apply(image, keypoints[done], change[done].reshape(-1, side, side), plane, reach)
    return int((solved.costly | (solved.found & ~small)).sum())


def _apply(
    image: NDArray[np.float32], keypoints: Extrema, changes: NDArray[np.float64], plane: Plane, reach: int
) -> None:
    """Add changes of variables (K, n, n) to the pixels, rounded away from 0, and clip to 0..255."""
    octave = plane.down.octave
    pitch = 2 ** max(octave, 0)
    spread = tents(2 * reach + 1, octave)
    pixels = spread @ changes @ spread.T
    pixels[np.abs(pixels) < _NOTHING] = 0
    offsets = np.arange(len(spread)) + 1 - pitch
    corners = pitch * (plane.centres(keypoints) - reach)[:, :, None, None]
    rows, columns = corners[:, 0] + offsets[:, None], corners[:, 1] + offsets
    inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
    places = tuple(np.broadcast_to(place, pixels.shape)[inside] for place in (rows, columns))
    moved = image[places] + (np.sign(pixels) * np.ceil(np.abs(pixels)))[inside]
    image[places] = moved.clip(0, 255)


@dataclass(frozen=True)
class RDG(GreyMethod):
    """Removal via Directed Graph construction, on the grey levels; colours are recovered afterwards.

    A keypoint is an extremum D(c₀) of the DoG. Of its 7 × 7 samples in all 5 layers, 5 × 5 in the 3 inner layers shall
    each keep a larger and a smaller neighbour, so that none of them is an extremum:

        min ‖d‖₂  with  D(c) + t ≤ D(above(c)),  D(below(c)) + t ≤ D(c)  for each inner sample c,

    d being the change of the 7 × 7 pixels around. above(c) and below(c) are the largest and the smallest of the 26
    neighbours, but for a maximum c₀ (minima are mirrored), where above follows the cheapest path c₀ → c₁ → … out of
    the block, or to a sample with a larger neighbour: above(cᵢ) = cᵢ₊₁; see `graph`. D is linear in d, and the
    program has one minimum; see `program`. d is rounded away from 0. It is rejected when max |d| ≥ `largest`, which
    grows by `relief` a loop after the first `strict` loops. t begins as `gap` and shrinks by `decay` a loop.

    Each loop detects, and attacks the keypoints that still match one of the original photo; see `matches`. Loops
    end when there is none, or when a loop changes nothing and has rejected nothing that a later one might accept.

    Attributes:
        detector: the detector whose keypoints are removed.
        loops: the largest number of loops.
        gap: t of the first loop, in grey levels.
        fine_gap: t of the first loop in octaves up to 0, where several octaves are searched.
        decay: the factor by which t shrinks per loop.
        largest: the change of a pixel, in grey levels, from which on d is rejected.
        strict: the number of loops before `largest` grows.
        relief: the growth of `largest` per loop, in grey levels.
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
    detector: Detector = field(default_factory=Detector)
    loops: Whole = 40
    gap: NotNegative = 0.001
    fine_gap: NotNegative = 0.01
    decay: Share = 0.95
    largest: Positive = 15.0
    strict: Whole = 5
    relief: NotNegative = 3.0

    def change_grey(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels (H, W) to levels in which the detector finds as few of the same keypoints as possible."""
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
        """Attack some keypoints of an image with these DoG layers, in place; tell whether another loop may do more."""
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
