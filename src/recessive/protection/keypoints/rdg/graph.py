"""RDG's directed graph: the cheapest way to reorder the DoG samples around a keypoint so that it is no longer one.

A neighbourhood is n × n samples in all 5 DoG layers, n = 2 reach + 1, flattened to V = 5 n² nodes. Nodes that have all
their 26 neighbours in it are inner ones; the others are outer ones, and are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from recessive.protection.keypoints.sift import LAYERS

NONE = -1  # no node


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Nodes and edges of a neighbourhood.

    Attributes:
        nodes: the number of nodes, V.
        inner: the indices of the inner nodes, (C,).
        neighbours: the neighbours of every inner node, (V, 26); NONE for outer ones.
    """

    nodes: int
    inner: NDArray[np.int64]
    neighbours: NDArray[np.int64]


@cache
def neighbourhood(reach: int) -> Neighbourhood:
    """Return the graph of (2 reach + 1)² × 5 samples."""
    side = 2 * reach + 1
    shape = (LAYERS + 2, side, side)
    places = np.arange(np.prod(shape)).reshape(shape)
    inner = places[1:-1, 1:-1, 1:-1].ravel()
    offsets = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    steps = np.delete(offsets, 13, 0) @ [side * side, side, 1]
    neighbours = np.full((places.size, 26), NONE)
    neighbours[inner] = inner[:, None] + steps
    return Neighbourhood(places.size, inner, neighbours)


def cheapest_paths(values: NDArray[np.float64], start: NDArray[np.int64], graph: Neighbourhood) -> NDArray[np.int64]:
    """Find Dijkstra's paths away from maxima.

    An edge from node c to its neighbour n costs D(c) − D(n). From the keypoint, the search settles the node of the
    least cost, until it meets an edge of negative cost to a node it has not seen, or settles an outer node. The costs
    along a path add up to D(keypoint) − D(n), so that the node of least cost is the largest one: the search floods
    downhill from the keypoint to the highest pass that lets it out.

    Args:
        values: D (K, V), in each row with the keypoint a maximum.
        start: the node of the keypoint (K,).
        graph: the graph of V nodes.

    Returns:
        For each node on the path the next one, NONE for its last and all others: (K, V).
    """
    count = len(values)
    waiting = np.full(values.shape, -np.inf)  # D of nodes that are seen and not settled
    seen = np.zeros(values.shape, bool)
    before = np.full(values.shape, NONE)
    end = np.full(count, NONE)
    searching = np.arange(count)
    waiting[searching, start] = np.inf
    seen[searching, start] = True
    while len(searching):
        node = waiting[searching].argmax(1)
        waiting[searching, node] = -np.inf
        around = graph.neighbours[node]
        outer = around[:, 0] == NONE
        end[searching[outer]] = node[outer]
        searching, node, around = searching[~outer], node[~outer], around[~outer]
        ahead = np.where(seen[searching[:, None], around], -np.inf, values[searching[:, None], around])
        best = ahead.argmax(1)
        best_value = ahead[np.arange(len(node)), best]
        out = best_value > values[searching, node]
        highest = around[np.arange(len(node)), best]
        before[searching[out], highest[out]] = node[out]
        end[searching[out]] = highest[out]
        searching, node, around, ahead = searching[~out], node[~out], around[~out], ahead[~out]
        rows, which = np.nonzero(ahead > -np.inf)
        fresh = searching[rows], around[rows, which]
        before[fresh] = node[rows]
        waiting[fresh] = ahead[rows, which]
        seen[fresh] = True
    following = np.full(values.shape, NONE)
    node = end
    while len(walking := np.nonzero(node != start)[0]):
        previous = before[walking, node[walking]]
        following[walking, previous] = node[walking]
        node[walking] = previous
    return following


def ordering(
    values: NDArray[np.float64], start: NDArray[np.int64], graph: Neighbourhood
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose for each inner node the neighbour that it is to stay below, and the one that it is to stay above.

    They are its largest and its smallest neighbour; on the path of `cheapest_paths` the larger one is the next node.
    Other extrema of the neighbourhood have no larger, or no smaller, neighbour: NONE.

    Args:
        values: D (K, V), in each row with the keypoint a maximum.
        start: the node of the keypoint (K,).
        graph: the graph of V nodes.

    Returns:
        Larger and smaller neighbours of the C inner nodes: (K, C) each.
    """
    around = graph.neighbours[graph.inner]
    own, theirs = values[:, graph.inner], values[:, around]
    above, below = (
        np.where(beyond, np.take_along_axis(around[None], place[:, :, None], 2)[:, :, 0], NONE)
        for place, beyond in ((theirs.argmax(2), theirs.max(2) > own), (theirs.argmin(2), theirs.min(2) < own))
    )
    following = cheapest_paths(values, start, graph)[:, graph.inner]
    return np.where(following != NONE, following, above), below
