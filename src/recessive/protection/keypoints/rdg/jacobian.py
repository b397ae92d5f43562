"""How the DoG samples around a keypoint move with the pixels around it.

Blurring, halving and doubling are linear and act on rows and columns apart: G_l = U_l · photo · V_lᵀ exactly, borders
included. So the Jacobian of a block of samples is a difference of Kronecker products of blocks of U and V.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.rdg.detector import scales
from recessive.protection.keypoints.sift import LAYERS

_REACH = 36  # samples: more than 6 σ of the widest Gaussian and half a block; anything further away has no effect


def tents(variables: int, octave: int) -> NDArray[np.float64]:
    """Return the matrix (P, variables) that interpolates linearly between variables on the pixels, 0 beyond them.

    Up to octave 0 a variable is the change of a pixel, P = variables. Above, variables are changes at the octave's
    samples, 2^o pixels apart, P = (variables + 1) 2^o − 1: the first variable lies on pixel 2^o − 1.
    """
    pitch = 2 ** max(octave, 0)
    pixels = np.arange(1 - pitch, variables * pitch)
    rising: NDArray[np.float64] = 1 - np.abs(pixels[:, None] / pitch - np.arange(variables))
    return np.maximum(rising, 0)


class Axis:
    """An axis of a photo in an octave.

    Attributes:
        octave: o.
        samples: the number of samples on the axis.
        variables: the number of variables on the axis: pixels up to octave 0, samples above.
    """

    def __init__(self, length: int, first: int, octave: int) -> None:
        """Build an axis of `length` pixels, in a pyramid that begins with octave `first`."""
        self.octave = octave
        pitch, finer = 2 ** max(octave, 0), 2 ** max(-octave, 0)
        self.samples = length // pitch * finer
        self.variables = length // pitch
        # Far from both borders all places are alike: a shorter axis with the same borders stands for a long one.
        self._cut = max(0, self.samples - 2 * _REACH - finer) // finer * finer
        short = length - self._cut * pitch // finer
        levels = [level for own, _, level in scales(np.eye(short), first, octave, rows_only=True) if own == octave]
        spread = tents(self.variables - self._cut // finer, octave)[pitch - 1 :]
        spread = np.pad(spread, ((0, short - len(spread)), (0, 0)))
        self._moves: NDArray[np.float64] = np.stack(levels) @ spread

    def variable(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the variable at each sample (K,)."""
        return samples >> max(0, -self.octave)

    def fits(self, samples: NDArray[np.int64], reach: int) -> NDArray[np.bool_]:
        """Tell where `reach` samples and variables to either side are on the axis: (K,), bool."""
        own = self.variable(samples)
        before = np.minimum(samples, own)
        after = np.minimum(self.samples - 1 - samples, self.variables - 1 - own)
        found: NDArray[np.bool_] = np.minimum(before, after) >= reach
        return found

    def standing(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the samples of the shorter axis that move as these do: (K,)."""
        middle = _REACH + (samples - _REACH) % 2 ** max(0, -self.octave)
        return np.where(samples < middle, samples, np.maximum(middle, samples - self._cut))

    def moves(self, standing: NDArray[np.int64], reach: int) -> NDArray[np.float64]:
        """Return the derivatives of the Gaussians around samples of the shorter axis: (K, 6, n, n)."""
        around = np.arange(-reach, reach + 1)
        rows = standing[:, None, None] + around[:, None]
        columns = self.variable(standing)[:, None, None] + around
        return self._moves[:, rows, columns].swapaxes(0, 1)


def jacobians(
    down: Axis, across: Axis, rows: NDArray[np.int64], columns: NDArray[np.int64], reach: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Compute ∂D/∂d around keypoints for n × n samples of the 5 layers and n × n variables, n = 2 reach + 1.

    Args:
        down: the axis of rows.
        across: the axis of columns.
        rows: the rows of the keypoints' samples (K,), which fit on the axis.
        columns: the columns of the keypoints' samples (K,), which fit on the axis.
        reach: the reach of the block.

    Returns:
        The different Jacobians (J, 5 n², n²), and the index of each keypoint's Jacobian (K,). Away from the borders all
        are equal.
    """
    places = np.stack([down.standing(rows), across.standing(columns)], 1)
    different, whose = np.unique(places, axis=0, return_inverse=True)
    vertical, horizontal = down.moves(different[:, 0], reach), across.moves(different[:, 1], reach)
    levels = np.einsum("kliu,kljv->klijuv", vertical, horizontal)
    size = (2 * reach + 1) ** 2
    return np.diff(levels, axis=1).reshape(len(different), (LAYERS + 2) * size, size), whose.reshape(-1)
