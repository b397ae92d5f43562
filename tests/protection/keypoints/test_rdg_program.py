from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from recessive.protection.keypoints.rdg.graph import NONE, Neighbourhood
from recessive.protection.keypoints.rdg.program import inequalities, smallest_changes

FAR = 1e6


def solve(matrix, bounds, limit=FAR):
    return smallest_changes(np.array([matrix], dtype=float), np.array([bounds], dtype=float), limit)


def programs(count, rows, variables, seed):
    """Random programs that a random point meets, some inequalities with no room to spare."""
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(count, rows, variables))
    inside = 2 * generator.normal(size=(count, variables))
    room = np.maximum(generator.normal(size=(count, rows)), 0)
    return matrix, (matrix @ inside[:, :, None])[:, :, 0] + room


@pytest.mark.parametrize(
    ("matrix", "bounds", "expected"),
    [
        ([[3, 4]], [-5], [-0.6, -0.8]),  # the foot of the perpendicular
        ([[3, 4]], [0], [0, 0]),  # nothing to do
        ([[-1, 0], [-1, -1]], [-1, -3], [1.5, 1.5]),  # x ≥ 1 does not bind
        ([[-1, 0], [-1, -1]], [-2, -3], [2, 1]),  # both bind
        ([[-1, -1], [-1, 0], [-3, -3]], [-3, -2, -9], [2, 1]),  # one twice
        ([[-1, -1], [1, 0]], [-2, 0.5], [0.5, 1.5]),  # x + y ≥ 2, x ≤ 1/2
    ],
)
def test_changes_by_hand(matrix, bounds, expected):
    found = solve(matrix, bounds)
    assert found.found.tolist() == [True]
    assert found.costly.tolist() == [False]
    np.testing.assert_allclose(found.change[0], expected, atol=1e-6)


def test_an_inequality_that_was_active_may_become_idle_again():
    # From 0, x ≥ 4 is violated most; then y ≥ 3 − x/8; then 8 x + y ≥ 41 moves x on, and x ≥ 4 is slack.
    found = solve([[-1, 0], [-1 / 8, -1], [-8, -1]], [-4, -3, -41])
    assert found.found.all()
    assert found.change[0, 0] > 4 + 1e-3
    reference = slsqp(np.array([[-1, 0], [-1 / 8, -1], [-8, -1]]), np.array([-4.0, -3, -41]))
    np.testing.assert_allclose(found.change[0], reference, atol=1e-5)


def slsqp(matrix, bounds):
    result = minimize(
        lambda change: change @ change / 2,
        np.zeros(matrix.shape[1]),
        jac=lambda change: change,
        constraints={"type": "ineq", "fun": lambda d: bounds - matrix @ d, "jac": lambda _d: -matrix},
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    return result.x


@pytest.mark.parametrize(("rows", "variables"), [(5, 9), (30, 8), (60, 20)])
def test_random_programs_have_the_solution_that_scipy_finds(rows, variables):
    matrix, bounds = programs(12, rows, variables, seed=rows)
    found = smallest_changes(matrix, bounds, FAR)
    assert found.found.all()
    assert ((matrix @ found.change[:, :, None])[:, :, 0] - bounds).max() < 1e-4
    for own, bound, change in zip(matrix, bounds, found.change, strict=True):
        np.testing.assert_allclose(change, slsqp(own, bound), atol=2e-5)


def test_inequalities_that_exclude_each_other_have_no_change():
    matrix, bounds = programs(6, 20, 8, seed=1)
    matrix = np.concatenate([matrix, -matrix[:, :1]], 1)
    bounds = np.concatenate([bounds, -bounds[:, :1] - [[-1e-2], [1], [1], [1], [1], [1]]], 1)
    found = smallest_changes(matrix, bounds, FAR)
    assert found.found.tolist() == [True, False, False, False, False, False]
    assert not found.costly.any()
    assert (found.change[1:] == 0).all()


def test_a_row_of_zeros_asks_for_nothing_or_for_the_impossible():
    assert solve([[0, 0], [-1, 0]], [0, -1]).found.all()
    found = solve([[0, 0], [-1, 0]], [-1, -1])
    assert not found.found.any()
    assert not found.costly.any()


@pytest.mark.parametrize(("limit", "possible"), [(5.01, True), (4.99, False)])
def test_what_costs_more_than_the_limit_is_told_apart(limit, possible):
    found = solve([[3, 4]], [-25], limit)  # the smallest change is (−3, −4)
    assert found.found.tolist() == [possible]
    assert found.costly.tolist() == [not possible]


def test_programs_do_not_influence_each_other():
    matrix, bounds = programs(9, 40, 12, seed=2)
    together = smallest_changes(matrix, bounds, FAR).change
    for row in range(9):
        alone = smallest_changes(matrix[row : row + 1], bounds[row : row + 1], FAR).change[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-9)


def test_no_programs_at_all():
    found = smallest_changes(np.zeros((0, 150, 49)), np.zeros((0, 150)), 1.0)
    assert found.change.shape == (0, 49)


def test_inequalities_by_hand():
    # Nodes 0, 1, 2 with D = 1, 5, 3 and D moves by (d₀, 2 d₁, d₀ + d₁); 0 and 1 are inner ones.
    graph = Neighbourhood(3, np.array([0, 1]), np.zeros((3, 26), int))
    moves = np.array([[[1, 0], [0, 2], [1, 1]]], dtype=float)
    above, below = np.array([[2, NONE]]), np.array([[NONE, 2]])
    matrix, bounds = inequalities(np.array([[1.0, 5, 3]]), moves, np.array([0]), above, below, 0.25, graph)
    # D₀ + 1/4 ≤ D₂:  d₀ − d₀ − d₁ ≤ 3 − 1 − 1/4;   D₁ has nothing above: 2 d₁ ≤ 0
    # D₀ has nothing below: −d₀ ≤ 0;   D₂ + 1/4 ≤ D₁:  d₀ + d₁ − 2 d₁ ≤ 5 − 3 − 1/4
    np.testing.assert_allclose(matrix, [[[0, -1], [0, 2], [-1, 0], [1, -1]]])
    np.testing.assert_allclose(bounds, [[1.75, 0, 0, 1.75]])
