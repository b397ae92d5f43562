"""The fits of curves: parameters found again, and least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recessive.protection.objectives.curves import GRID, KINDS, fit, survivors

CPU = torch.device("cpu")


def at(curves):
    """Heights at the grid (k, 3000)."""
    distances = torch.from_numpy(GRID).float()[:, None].expand(-1, len(curves.parameters))
    return curves(distances).T.numpy()


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("quadratic", [[0.002, -0.07, 0.4], [1e-4, -0.003, 0.03]]),
        ("tanh", [[0.2, 9.0, 2.0], [0.05, 3.0, 0.7], [0.01, 14.0, 4.0], [0.9, -1.0, 2.5]]),
        ("exponential", [[0.4, 0.3], [0.02, 1.5], [0.1, 0.04]]),
    ],
)
def test_a_curve_of_its_own_kind_is_found_again(kind, parameters):
    given = torch.tensor(parameters)
    shares = list(at(KINDS[kind](given)).astype(np.float64))
    torch.testing.assert_close(fit(kind, shares, CPU).parameters, given, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["quadratic", "tanh", "exponential"])
@pytest.mark.parametrize("distances", [[0.2] * 30 + [1.3] * 9 + [8], [9, 11, 12, 14.5, 15, 15, 16, 19], [3, 3.5, 4, 9]])
def test_no_neighbour_of_the_fit_has_a_smaller_error(kind, distances):
    shares = survivors(np.array(distances)) / 100
    (found,) = fit(kind, [shares], CPU).parameters.double()

    def error(parameters):
        return ((at(KINDS[kind](parameters[None])) - shares) ** 2).sum()

    for number in range(len(found)):
        for factor in (0.97, 1.03):
            other = found.clone()
            other[number] *= factor
            assert error(other) > error(found) - 1e-9


def test_tanh_fits_better_than_a_quadratic_where_members_are_dense():
    shares = survivors(np.array([0.4] * 80 + [1.5] * 12 + [3.0] * 5 + [9.0] * 3)) / 100
    errors = {kind: np.square(at(fit(kind, [shares], CPU))[0] - shares).mean() for kind in KINDS}
    assert errors["tanh"] < errors["quadratic"] / 4
    assert errors["exponential"] < errors["quadratic"] / 4


@pytest.mark.parametrize("kind", ["quadratic", "tanh", "exponential"])
def test_a_cluster_of_equal_codes_has_a_finite_curve(kind):
    curves = fit(kind, [survivors(np.zeros(7)) / 20], CPU)
    assert curves.parameters.isfinite().all()
    assert np.isfinite(at(curves)).all()


def test_survivors_are_counted_at_each_distance():
    found = survivors(np.array([0.0, 1.0, 1.0, 2.5, 40.0]))
    expected = [sum(d >= x - 1e-9 for d in (0.0, 1.0, 1.0, 2.5, 40.0)) for x in GRID]
    assert found.tolist() == expected
    assert (found[0], found[1], found[100], found[101], found[-1]) == (5, 4, 4, 2, 1)
