"""The keypoints that RDG attacks: SIFT's scale space and detector as VLFeat has them, and which keypoints persist.

Octave o samples the photo every 2^o pixels, at 6 scales σ_l = 1.6 · 2^(l/3 + o), l = 0..5; the photo itself is assumed
to be blurred by σ = 0.5. Layer l of the differences of Gaussians (DoG) is D_l = G_{l+1} − G_l, l = 0..4; keypoints lie
in layers 1..3. Octaves below 0 begin with the photo enlarged linearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recessive.protection.constants import Positive
from recessive.protection.keypoints.sift import LAYERS, SIGMA, Columns
from recessive.protection.method import MethodError

ASSUMED_BLUR = 0.5  # of a photo, in pixels
SMALLEST = 3  # samples: a shorter side has no inner sample
_WEAKEST = 0.8  # of the peak threshold, before refinement
_STEPS = 5  # of refinement
_FURTHEST = 1.5  # samples, of a refined place from its sample
RATIO = 1.5  # of squared distances, second nearest to nearest
DISPLACED = 8.0  # pixels
_ROWS = 512  # of a matrix of distances, at once


def _blur(image: NDArray[Any], sigma: float, *, rows_only: bool) -> NDArray[Any]:
    """Convolution with exp(−x²/2σ²), |x| ≤ ⌈4 σ⌉, of unit sum; the border is repeated outwards."""
    reach = math.ceil(4 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    across = np.ones(1) if rows_only else kernel
    blurred: NDArray[Any] = cv2.sepFilter2D(image, -1, across, kernel, borderType=cv2.BORDER_REPLICATE)
    return blurred


def _double(image: NDArray[Any]) -> NDArray[Any]:
    """Twice as many rows: each followed by its mean with the next, the last by itself."""
    below = np.concatenate([image[1:], image[-1:]])
    return np.stack([image, (image + below) / 2], 1).reshape(2 * len(image), -1)


def scales(
    image: NDArray[Any], first: int, last: int, *, rows_only: bool = False
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Gaussians of an image (H, W), floating point: (o, l, G_l (⌊H/2^o⌋, ⌊W/2^o⌋)) from fine to coarse.

    Args:
        image: a photo or, with `rows_only`, columns that are a signal each.
        first: octave to begin with, at most 0. Later octaves depend on it a little: enlarging blurs.
        last: octave to end with, where the image has room for it.
        rows_only: leave rows as they are.
    """
    for _ in range(-first):
        image = _double(image)
        image = image if rows_only else np.ascontiguousarray(_double(image.T).T)
    base = _blur(image, math.sqrt(SIGMA**2 - (ASSUMED_BLUR * 2**-first) ** 2), rows_only=rows_only)
    for octave in range(first, last + 1):
        if min(base.shape[: 1 if rows_only else 2]) < SMALLEST:
            return
        level, seed = base, base
        yield octave, 0, level
        for number in range(1, LAYERS + 3):
            step = SIGMA * math.sqrt(2 ** (2 * number / LAYERS) - 2 ** (2 * (number - 1) / LAYERS))
            level = _blur(level, step, rows_only=rows_only)
            seed = level if number == LAYERS else seed  # twice the first scale: the next octave's first
            yield octave, number, level
        height, width = seed.shape
        across = slice(None) if rows_only else slice(0, width - width % 2, 2)
        base = np.ascontiguousarray(seed[: height - height % 2 : 2, across])


def differences(image: NDArray[Any], first: int, octaves: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """DoG layers of an image (H, W): (o, D (5, ⌊H/2^o⌋, ⌊W/2^o⌋)) of the requested octaves that it has room for.

    Args:
        image: the image, floating point.
        first: the octave that the pyramid begins with, at most 0.
        octaves: the requested octaves, none below `first`.
    """
    previous = image
    layers = np.empty(0)
    for octave, number, level in scales(image, first, max(octaves)):
        if octave not in octaves:
            continue
        if number == 0:
            layers = np.empty((LAYERS + 2, *level.shape), level.dtype)
        else:
            np.subtract(level, previous, out=layers[number - 1])
        previous = level
        if number == LAYERS + 2:
            yield octave, layers


@dataclass(frozen=True, eq=False)
class Extrema(Columns):
    """K keypoints: extrema of the DoG, int64 or float64 (K,) each.

    Attributes:
        octave: o.
        layer: the layer of the extremum among the DoG's, 1..3.
        row: the row of the extremum, in samples of its octave.
        column: the column of the extremum, in samples of its octave.
        sign: 1 for a maximum, −1 for a minimum.
        x: the refined place from the left, in pixels of the photo.
        y: the refined place from the top, in pixels of the photo.
        sigma: the scale, in pixels of the photo.
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
        """Join several, in their order."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class Detector:
    """SIFT's detector with VLFeat's rules.

    A sample is an extremum that is larger, or smaller, than its 26 neighbours and has |D| ≥ 0.8 peak. The parabola
    through its neighbourhood then moves it, at most 5 times, to a neighbouring sample of its layer while the vertex is
    more than 0.6 samples away. It is a keypoint when |D| > peak at the vertex, tr²/det < (edge + 1)²/edge for the
    spatial Hessian, and the vertex lies less than 1.5 samples away, inside the photo and the octave.

    Attributes:
        octaves: the octaves that are searched, in rising order.
        peak: the threshold of |D|, in grey levels.
        edge: the threshold of the ratio of principal curvatures.

    Raises:
        MethodError: if the octaves are not in rising order, or there are none.
    """

    octaves: tuple[int, ...] = (0,)
    peak: Positive = 4.0
    edge: Positive = 10.0

    def __post_init__(self) -> None:
        if not self.octaves or list(self.octaves) != sorted(set(self.octaves)):
            raise MethodError(f"octaves must be one number or several in rising order, not {self.octaves}")

    @property
    def first(self) -> int:
        """The octave that the pyramid begins with."""
        return min(self.octaves[0], 0)

    def layers(self, image: NDArray[np.float32], *octaves: int) -> dict[int, NDArray[np.float32]]:
        """DoG layers (5, H_o, W_o) of a grey image (H, W) by octave: the requested ones, or all of the detector."""
        return dict(differences(image, self.first, octaves or self.octaves))

    def keypoints(self, layers: dict[int, NDArray[np.float32]]) -> Extrema:
        """Find the keypoints of all octaves, in a fixed order."""
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


def describe(grey: NDArray[np.uint8], keypoints: Extrema) -> NDArray[np.float32]:
    """Compute upright SIFT descriptors (K, 128), whole numbers, of keypoints in a grey photo (H, W), by OpenCV."""
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
    """Match the extrema of a photo with those of a changed one: pairs (M, 2) of indices into `first` and `second`.

    A keypoint's match is the one with the nearest descriptor, where the second nearest is RATIO times as far (squared
    L2) and the two keypoints lie less than DISPLACED pixels apart.
    """
    if not len(first) or not len(second):
        return np.zeros((0, 2), np.int64)
    places = np.stack([first.x, first.y], 1), np.stack([second.x, second.y], 1)
    near = cKDTree(places[1]).query(places[0], distance_upper_bound=DISPLACED)[0]
    candidates = np.nonzero(np.isfinite(near))[0]
    squares = (second_descriptors**2).sum(1)
    pairs = []
    for start in range(0, len(candidates), _ROWS):
        rows = candidates[start : start + _ROWS]
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
