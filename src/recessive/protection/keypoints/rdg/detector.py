"""The detector that RDG attacks: SIFT's as VLFeat has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.columns import Columns
from recessive.protection.keypoints.rdg.pyramid import LAYERS, SIGMA, differences

_WEAKEST = 0.8  # of the peak threshold, before refinement
_STEPS = 5  # of refinement
_FURTHEST = 1.5  # samples, of a refined place from its sample


@dataclass(frozen=True, eq=False)
class Extrema(Columns):
    """K keypoints: extrema of the DoG, int64 or float64 (K,) each.

    Attributes:
        octave: o.
        layer: of the extremum among the DoG's, 1..3.
        row: of the extremum, in samples of its octave.
        column: of the extremum, in samples of its octave.
        sign: 1 of a maximum, −1 of a minimum.
        x: refined, in pixels of the photo.
        y: refined, in pixels of the photo.
        sigma: scale, in pixels of the photo.
    """

    octave: NDArray[np.int64]
    layer: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    sign: NDArray[np.int64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    sigma: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[Extrema]) -> Extrema:
        """All of several, in their order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class Detector:
    """SIFT's detector with VLFeat's rules.

    A sample is an extremum that is larger, or smaller, than its 26 neighbours and has |D| ≥ 0.8 peak. The parabola
    through its neighbourhood then moves it, at most 5 times, to a neighbouring sample of its layer while the vertex is
    more than 0.6 samples away. It is a keypoint when |D| > peak at the vertex, tr²/det < (edge + 1)²/edge for the
    spatial Hessian, and the vertex lies less than 1.5 samples away, inside the photo and the octave.

    Attributes:
        octaves: that are searched.
        peak: threshold of |D|, in grey levels.
        edge: threshold of the ratio of principal curvatures.
    """

    octaves: tuple[int, ...] = (0,)
    peak: float = 4.0
    edge: float = 10.0

    def __post_init__(self) -> None:
        if not self.octaves or list(self.octaves) != sorted(set(self.octaves)):
            raise ValueError(f"octaves are different and in rising order, at least one of them: {self.octaves}")

    @property
    def first(self) -> int:
        """The octave that the pyramid begins with."""
        return min(self.octaves[0], 0)

    def layers(self, image: NDArray[np.float32], *octaves: int) -> dict[int, NDArray[np.float32]]:
        """DoG layers (5, H_o, W_o) of a grey image (H, W) by octave: the asked ones, or all that it has room for."""
        return dict(differences(image, self.first, octaves or self.octaves))

    def keypoints(self, layers: dict[int, NDArray[np.float32]]) -> Extrema:
        """Of all octaves, in a fixed order."""
        nothing = np.zeros(0, np.int64)
        none = Extrema(nothing, nothing, nothing, nothing, nothing, np.zeros(0), np.zeros(0), np.zeros(0))
        return Extrema.joined([none, *(self._keypoints(dogs, octave) for octave, dogs in layers.items())])

    def _keypoints(self, dogs: NDArray[np.float32], octave: int) -> Extrema:
        layers, rows, columns, signs = _extrema(dogs, _WEAKEST * self.peak)
        height, width = dogs.shape[1:]
        x, y = columns.copy(), rows.copy()
        vertex = np.zeros((len(x), 3))
        moving = np.arange(len(x))
        right = below = np.zeros_like(x)
        for _ in range(_STEPS):
            x[moving] += right
            y[moving] += below
            vertex[moving] = _vertex(*_expansion(dogs, layers[moving], y[moving], x[moving]))
            right = _towards(vertex[moving, 0], x[moving], width)
            below = _towards(vertex[moving, 1], y[moving], height)
            on = (right | below) != 0
            moving, right, below = moving[on], right[on], below[on]
        gradient, hessian = _expansion(dogs, layers, y, x)
        value = dogs[layers, y, x] + (gradient * vertex).sum(1) / 2
        trace = hessian[:, 0, 0] + hessian[:, 1, 1]
        determinant = hessian[:, 0, 0] * hessian[:, 1, 1] - hessian[:, 0, 1] ** 2
        good = (np.abs(value) > self.peak) & (determinant > 0)
        good &= trace**2 * self.edge < (self.edge + 1) ** 2 * determinant
        place = np.stack([x, y, layers], 1) + vertex
        good &= (np.abs(vertex) < _FURTHEST).all(1)
        good &= ((place >= 0) & (place <= [width - 1, height - 1, LAYERS + 1])).all(1)
        pitch = 2.0**octave
        sigma = SIGMA * pitch * 2 ** (place[:, 2] / LAYERS)
        found = Extrema(
            np.full(len(x), octave), layers, rows, columns, signs, pitch * place[:, 0], pitch * place[:, 1], sigma
        )
        return found[good]


def _extrema(dogs: NDArray[np.float32], weakest: float) -> tuple[NDArray[np.int64], ...]:
    """Layer, row, column and sign of inner samples that are larger or smaller than all 26 neighbours, |D| ≥ weakest."""
    box = np.ones((3, 3), np.uint8)
    largest = [cv2.dilate(dog, box)[1:-1, 1:-1] for dog in dogs]
    smallest = [cv2.erode(dog, box)[1:-1, 1:-1] for dog in dogs]
    places = []
    for layer in range(1, LAYERS + 1):
        near = slice(layer - 1, layer + 2)
        own = dogs[layer, 1:-1, 1:-1]
        maxima = (own >= weakest) & (own >= np.maximum.reduce(largest[near]))
        minima = (own <= -weakest) & (own <= np.minimum.reduce(smallest[near]))
        rows, columns = np.nonzero(maxima | minima)
        places.append(np.stack([np.full_like(rows, layer), rows + 1, columns + 1]))
    layers, rows, columns = np.concatenate(places, 1)
    values = dogs[layers, rows, columns]
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3).T[:, :, None]
    equal = dogs[layers + steps[0], rows + steps[1], columns + steps[2]] == values
    alone = equal.sum(0) == 1  # a plateau has no extremum
    signs = np.where(values > 0, 1, -1)
    return layers[alone], rows[alone], columns[alone], signs[alone]


def _expansion(
    dogs: NDArray[np.float32], layers: NDArray[np.int64], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient (K, 3) and Hessian (K, 3, 3) of D in (column, row, layer), from differences of neighbours."""

    def at(step: NDArray[np.int64]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = dogs[layers + step[2], rows + step[1], columns + step[0]].astype(np.float64)
        return values

    units = np.eye(3, dtype=np.int64)
    own = at(0 * units[0])
    gradient = np.stack([(at(unit) - at(-unit)) / 2 for unit in units], 1)
    hessian = np.empty((len(own), 3, 3))
    for i, first in enumerate(units):
        hessian[:, i, i] = at(first) + at(-first) - 2 * own
        for j, second in enumerate(units[:i]):
            mixed = at(first + second) + at(-first - second) - at(first - second) - at(second - first)
            hessian[:, i, j] = hessian[:, j, i] = mixed / 4
    return gradient, hessian


def _vertex(gradient: NDArray[np.float64], hessian: NDArray[np.float64]) -> NDArray[np.float64]:
    """−H⁻¹ g (K, 3); 0 where H has no inverse."""
    regular = np.abs(np.linalg.det(hessian)) > 1e-12
    vertex = np.zeros_like(gradient)
    vertex[regular] = np.linalg.solve(hessian[regular], -gradient[regular][:, :, None])[:, :, 0]
    return vertex


def _towards(vertex: NDArray[np.float64], place: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """A step to the neighbour where the vertex is more than 0.6 samples away and the neighbour is an inner sample."""
    return ((vertex > 0.6) & (place < length - 2)).astype(np.int64) - ((vertex < -0.6) & (place > 1))
