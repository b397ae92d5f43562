"""One pass of RDG over a grey photo: the keypoints that are to go, many of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recessive.protection.keypoints.rdg.detector import Extrema
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
        """The octave of a photo of height × width pixels, in a pyramid that begins with octave `first`."""
        return cls(Axis(height, first, octave), Axis(width, first, octave))

    def fits(self, keypoints: Extrema, reach: int) -> NDArray[np.bool_]:
        """Whose block lies inside: (K,)."""
        return self.down.fits(keypoints.row, reach) & self.across.fits(keypoints.column, reach)

    def centres(self, keypoints: Extrema) -> NDArray[np.int64]:
        """Row and column of the variable at each keypoint: (K, 2)."""
        return np.stack([self.down.variable(keypoints.row), self.across.variable(keypoints.column)], 1)

    def apart(self, keypoints: Extrema) -> Iterator[Extrema]:
        """Keypoints in sets, in each of which no pixel belongs to two blocks; as few sets as greed finds."""
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
        keypoints: of one octave.
        plane: that octave.
        gap: strictness of the wanted order, in grey levels.
        largest: the smallest change of a variable that is too large, in grey levels.

    Returns:
        How many need a larger change.
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
