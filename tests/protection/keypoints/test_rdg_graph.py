from __future__ import annotations

import heapq

import numpy as np
import pytest

from recessive.protection.keypoints.rdg.graph import NONE, cheapest_paths, neighbourhood, ordering

GRAPH = neighbourhood(3)


def node(layer, row, column):
    return (layer * 7 + row) * 7 + column


CENTRE = node(2, 3, 3)


def walk(following, start):
    path = [start]
    while following[path[-1]] != NONE:
        path.append(int(following[path[-1]]))
    assert (following != NONE).sum() == len(path) - 1
    return path


def landscape(heights, floor=0.0):
    """Samples a little below the floor, no two equal, but for some given by (layer, row, column)."""
    values = np.full((5, 7, 7), floor)
    values -= 1e-3 * np.random.default_rng(0).random(values.shape)
    for place, height in heights.items():
        values[place] = height
    return values.reshape(1, -1)


def textbook(values, start, shape):
    """Dijkstra with a heap, edge by edge, on samples of this shape; the path."""
    values = values.reshape(shape)
    costs, before, settled = {start: 0.0}, {}, set()
    heap = [(0.0, start)]
    while heap:
        cost, place = heapq.heappop(heap)
        if place in settled:
            continue
        settled.add(place)
        if any(index in (0, length - 1) for index, length in zip(place, shape, strict=True)):
            return trace(before, place)
        edges = {}
        for step in np.ndindex(3, 3, 3):
            other = tuple(int(index) + more - 1 for index, more in zip(place, step, strict=True))
            if other != place and other not in settled:
                edges[other] = values[place] - values[other]
        best = min(edges, key=edges.get)
        if edges[best] < 0 and best not in costs:
            before[best] = place
            return trace(before, best)
        for other, weight in edges.items():
            if other not in costs or cost + weight < costs[other] - 1e-12:
                costs[other], before[other] = cost + weight, place
                heapq.heappush(heap, (costs[other], other))
    raise AssertionError("samples around the inner ones end every search")


def trace(before, place):
    path = [place]
    while place in before:
        path.append(place := before[place])
    return path[::-1]


def test_a_ridge_leads_to_the_boundary():
    ridge = {(2, 3, 3): 10.0, (2, 3, 4): 9.0, (2, 3, 5): 8.0, (2, 3, 6): 7.0}
    following = cheapest_paths(landscape(ridge), np.array([CENTRE]), GRAPH)[0]
    assert walk(following, CENTRE) == [node(*place) for place in ridge]


def test_the_outer_layers_are_a_boundary_too():
    ridge = {(2, 3, 3): 10.0, (3, 3, 3): 9.0, (4, 2, 3): 8.0}
    following = cheapest_paths(landscape(ridge), np.array([CENTRE]), GRAPH)[0]
    assert walk(following, CENTRE) == [node(*place) for place in ridge]


def test_the_path_ends_where_it_can_climb():
    ridge = {(2, 3, 3): 10.0, (2, 3, 4): 9.0, (2, 2, 5): 20.0}
    following = cheapest_paths(landscape(ridge), np.array([CENTRE]), GRAPH)[0]
    assert walk(following, CENTRE) == [node(*place) for place in ridge]


def test_the_higher_of_two_passes_is_the_cheaper_one():
    low = {(2, 3, 4): 9.5, (2, 3, 5): 4.0, (2, 3, 6): 30.0}
    high = {(2, 3, 2): 8.0, (2, 3, 1): 7.0, (2, 3, 0): 6.5}
    following = cheapest_paths(landscape({(2, 3, 3): 10.0} | low | high), np.array([CENTRE]), GRAPH)[0]
    assert walk(following, CENTRE) == [CENTRE, *(node(*place) for place in high)]


@pytest.mark.parametrize("reach", [1, 3])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_paths_of_many_at_once_are_those_of_the_textbook(reach, layer):
    side = 2 * reach + 1
    generator = np.random.default_rng(reach + layer)
    rough = generator.normal(scale=0.15, size=(200, 5, side, side))
    away = [np.arange(length) - middle for length, middle in ((5, layer), (side, reach), (side, reach))]
    away[0] *= 4  # along its layer rather than out of it
    rough -= 0.15 * sum(np.meshgrid(*(np.square(steps) for steps in away), indexing="ij"))  # a hill to walk down
    around = rough[:, layer - 1 : layer + 2, reach - 1 : reach + 2, reach - 1 : reach + 2].reshape(200, -1)
    rough = rough[np.delete(around, 13, 1).max(1) < around[:, 13]]
    assert len(rough) >= 20
    graph, start = neighbourhood(reach), (layer * side + reach) * side + reach
    values = rough.reshape(len(rough), -1)
    following = cheapest_paths(values, np.full(len(rough), start), graph)
    lengths = set()
    for own, path in zip(values, following, strict=True):
        expected = textbook(own, (layer, reach, reach), (5, side, side))
        assert walk(path, start) == [int(np.ravel_multi_index(place, (5, side, side))) for place in expected]
        lengths.add(len(expected))
    assert reach == 1 or max(lengths) > 3


def test_neighbours_are_the_26_around():
    assert (GRAPH.nodes, len(GRAPH.inner)) == (245, 75)
    places = np.stack(np.unravel_index(GRAPH.neighbours[CENTRE], (5, 7, 7)), 1)
    assert sorted(map(tuple, (places - [1, 2, 2]).tolist())) == sorted({*np.ndindex(3, 3, 3)} - {(1, 1, 1)})
    assert (GRAPH.neighbours[node(0, 3, 3)] == NONE).all()
    assert (GRAPH.neighbours[node(2, 0, 3)] == NONE).all()


def test_samples_stay_between_their_largest_and_smallest_neighbour():
    generator = np.random.default_rng(3)
    values = generator.random((1, 245))
    values[0, CENTRE] = 2.0
    above, below = ordering(values, np.array([CENTRE]), GRAPH)
    following = cheapest_paths(values, np.array([CENTRE]), GRAPH)[0]
    checked = 0
    for place, inner in enumerate(GRAPH.inner):
        around = {int(other): values[0, other] for other in GRAPH.neighbours[inner]}
        largest, smallest = max(around, key=around.get), min(around, key=around.get)
        if following[inner] != NONE:
            assert above[0, place] == following[inner]
        else:
            assert above[0, place] == (largest if around[largest] > values[0, inner] else NONE)
            checked += above[0, place] == NONE
        assert below[0, place] == (smallest if around[smallest] < values[0, inner] else NONE)
    assert above[0, list(GRAPH.inner).index(CENTRE)] != NONE
    assert checked  # white noise has other maxima, too
