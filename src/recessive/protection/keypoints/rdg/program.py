"""RDG's convex program: the smallest change of the pixels that puts the DoG samples into a wanted order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.rdg.graph import NONE, Neighbourhood

_MET = 1e-6  # how far beyond an inequality of unit normal a change may lie
_DEPENDENT = 1e-10  # squared share of a normal that the active ones do not span, below which they span it
_ITERATIONS = 10  # at most, a variable


def inequalities(
    values: NDArray[np.float64],
    moves: NDArray[np.float64],
    whose: NDArray[np.int64],
    above: NDArray[np.int64],
    below: NDArray[np.int64],
    gap: float,
    graph: Neighbourhood,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write the wanted order as A d ≤ b on the change d of the variables, D(d) = values + moves · d.

    D(c) + gap ≤ D(above(c)) and D(below(c)) + gap ≤ D(c) for each inner node c. A node without a larger neighbour
    must not grow, one without a smaller neighbour must not fall.

    Args:
        values: D (K, V).
        moves: the different Jacobians (J, V, N).
        whose: the index of each keypoint's Jacobian (K,).
        above: the larger neighbours of the C inner nodes (K, C), or NONE.
        below: the smaller neighbours (K, C), or NONE.
        gap: the strictness, in grey levels.
        graph: the graph of V nodes.

    Returns:
        A (K, 2 C, N) and b (K, 2 C).
    """
    fixed = np.concatenate([moves, np.zeros_like(moves[:, :1])], 1)  # NONE, the last node, never moves
    own = moves[whose[:, None], graph.inner]
    rows = [own - fixed[whose[:, None], above], fixed[whose[:, None], below] - own]
    level = values[:, graph.inner]
    room = [np.take_along_axis(values, above, 1) - level, level - np.take_along_axis(values, below, 1)]
    bounds = [np.where(other == NONE, 0.0, gapless - gap) for other, gapless in zip((above, below), room, strict=True)]
    return np.concatenate(rows, 1), np.concatenate(bounds, 1)


@dataclass(frozen=True, eq=False)
class Changes:
    """The result of `smallest_changes`.

    Attributes:
        change: d (K, N); 0 where there is none.
        found: whether there is one within the limit, (K,).
        costly: whether the search ended at the limit, (K,). Where neither holds, no change meets all inequalities, or
            none was found in 10 N steps.
    """

    change: NDArray[np.float64]
    found: NDArray[np.bool_]
    costly: NDArray[np.bool_]


def smallest_changes(matrix: NDArray[np.float64], bounds: NDArray[np.float64], limit: float) -> Changes:
    """argmin ‖d‖₂ with A d ≤ b and ‖d‖₂ < limit, of K programs at once.

    The dual active-set method of Goldfarb and Idnani, "A numerically stable dual method for solving strictly convex
    quadratic programs", 1983: from d = 0 the most violated inequality becomes active, inequalities whose multiplier
    would turn negative become inactive. ‖d‖ never falls, so that a search beyond the limit can end.

    Args:
        matrix: A (K, M, N).
        bounds: b (K, M).
        limit: the limit of ‖d‖₂.
    """
    length = np.linalg.norm(matrix, axis=2)
    length[length == 0] = 1.0
    search = _Search(matrix / length[:, :, None], bounds / length)
    change = np.zeros((len(matrix), matrix.shape[2]))
    found, costly = np.zeros((2, len(matrix)), bool)
    for _ in range(_ITERATIONS * matrix.shape[2]):
        beyond = np.square(search.change).sum(1) >= limit**2
        met = search.choose() & ~beyond
        done = met | beyond | search.impossible
        if done.any():
            change[search.rows[met]] = search.change[met]
            found[search.rows[met]] = True
            costly[search.rows[beyond]] = True
            search.keep(~done)
        if not len(search.rows):
            break
        search.advance()
    return Changes(change, found, costly)


class _Search:
    """The state of programs that are not solved yet.

    Active inequalities sit in slots. Row i of `duals` lies in the span of the active normals, and n_j · duals_i = δ_ij;
    what belongs to empty slots is 0.
    """

    def __init__(self, matrix: NDArray[np.float64], bounds: NDArray[np.float64]) -> None:
        count, _, variables = matrix.shape
        self.rows = np.arange(count)
        self.matrix, self.bounds = matrix, bounds
        self.change = np.zeros((count, variables))
        self.entering = np.full(count, -1)  # the inequality that is becoming active
        self.pressure = np.zeros(count)  # its multiplier
        self.impossible = np.zeros(count, bool)
        self.active = np.zeros((count, variables), bool)
        self.multipliers = np.zeros((count, variables))
        self.normals = np.zeros((count, variables, variables))
        self.duals = np.zeros((count, variables, variables))

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        for name, values in vars(self).items():
            setattr(self, name, values[chosen])

    def choose(self) -> NDArray[np.bool_]:
        """Choose the most violated inequality where none is becoming active; true where all are met."""
        excess = (self.matrix @ self.change[:, :, None])[:, :, 0] - self.bounds
        worst = excess.argmax(1)
        idle = self.entering < 0
        met: NDArray[np.bool_] = idle & (excess[np.arange(len(worst)), worst] <= _MET)
        self.entering = np.where(idle, worst, self.entering)
        self.pressure[idle] = 0.0
        return met

    def advance(self) -> None:
        """One step towards the entering inequality: to it, or until an active one leaves."""
        each = np.arange(len(self.rows))
        width = int(np.flatnonzero(self.active.any(axis=0)).max(initial=-1)) + 1
        duals, normals, multipliers = self.duals[:, :width], self.normals[:, :width], self.multipliers[:, :width]
        normal = -self.matrix[each, self.entering]
        excess = -(normal * self.change).sum(1) - self.bounds[each, self.entering]
        along = (duals @ normal[:, :, None])[:, :, 0]
        direction = normal - (along[:, None] @ normals)[:, 0]
        square = np.square(direction).sum(1)
        direction[spanned := square <= _DEPENDENT] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            full = np.where(spanned, np.inf, excess / square)
            partial = np.where(self.active[:, :width] & (along > 0), multipliers / along, np.inf)
        leaving = partial.argmin(1) if width else np.zeros(len(each), int)
        shortest = partial.min(1, initial=np.inf)
        self.impossible = np.isinf(full) & np.isinf(shortest)
        length = np.where(self.impossible, 0.0, np.minimum(full, shortest))
        self.change += length[:, None] * direction
        multipliers -= length[:, None] * along
        self.pressure += length
        enters = ~self.impossible & (full <= shortest)
        self._enter(each[enters], normal[enters], direction[enters] / square[enters, None], along[enters])
        leaves = ~self.impossible & ~enters
        self._leave(each[leaves], leaving[leaves])

    def _enter(
        self,
        rows: NDArray[np.int64],
        normal: NDArray[np.float64],
        dual: NDArray[np.float64],
        along: NDArray[np.float64],
    ) -> None:
        slot = (~self.active[rows]).argmax(1)
        self.duals[rows, : along.shape[1]] -= along[:, :, None] * dual[:, None]
        self.duals[rows, slot], self.normals[rows, slot] = dual, normal
        self.multipliers[rows, slot], self.active[rows, slot] = self.pressure[rows], True
        self.entering[rows] = -1

    def _leave(self, rows: NDArray[np.int64], slot: NDArray[np.int64]) -> None:
        dual = self.duals[rows, slot]
        share = (self.duals[rows] @ dual[:, :, None])[:, :, 0] / np.square(dual).sum(1)[:, None]
        self.duals[rows] -= share[:, :, None] * dual[:, None]
        self.duals[rows, slot], self.normals[rows, slot] = 0.0, 0.0
        self.multipliers[rows, slot], self.active[rows, slot] = 0.0, False
