"""Clusters of codes, the curves that are fitted to them, and where the objective has its minimum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from recessive.codes import hamming, sign
from recessive.protection.objectives import ClusterCurves, fit_curves
from recessive.protection.objectives.clusters import (
    GRID,
    KINDS,
    NOISE,
    Exponential,
    Quadratic,
    Tanh,
    dbscan,
    fit,
    k_means,
    survivors,
)

BITS = 24


def around(*sizes, flips=1, seed=0):
    """Codes around random ones, so many each, `flips` bits away at most."""
    generator = torch.Generator().manual_seed(seed)
    codes = []
    for size in sizes:
        centre = sign(torch.randn(BITS, generator=generator))
        for number in range(size):
            code = centre.clone()
            code[torch.randperm(BITS, generator=generator)[: number % (flips + 1)]] *= -1
            codes.append(code)
    return torch.stack(codes)


def chains(codes, bits):
    """DBSCAN by its definition: cores linked within so many bits, then what lies within that of a core."""
    near = hamming(codes, codes) <= bits
    core = near.sum(1) >= 5
    labels, found = torch.full((len(codes),), NOISE), 0
    for first in range(len(codes)):
        if not core[first] or labels[first] != NOISE:
            continue
        reached = torch.zeros(len(codes), dtype=torch.bool)
        reached[first] = True
        while True:
            more = reached | (near[reached & core].any(0))
            if torch.equal(more, reached):
                break
            reached = more
        labels[reached] = found
        found += 1
    return labels


def partition(labels):
    """Clusters as sets of rows."""
    return {frozenset(torch.nonzero(labels == number).flatten().tolist()) for number in labels.unique() if number >= 0}


def test_k_means_tells_clusters_apart():
    codes = around(12, 7, 9)
    assert partition(k_means(codes, 3)) == {frozenset(range(12)), frozenset(range(12, 19)), frozenset(range(19, 28))}


def test_each_code_is_in_the_k_means_cluster_whose_mean_is_nearest():
    codes = sign(torch.randn(80, BITS, generator=torch.Generator().manual_seed(3)))
    labels = k_means(codes, 6)
    means = torch.stack([codes[labels == number].mean(0) for number in range(6)])
    assert torch.equal(torch.cdist(codes, means).argmin(1), labels)


def test_there_are_at_most_as_many_k_means_clusters_as_different_codes():
    codes = around(3, 3, flips=0)
    labels = k_means(codes, 20)
    assert labels.unique().tolist() == [0, 1]


@pytest.mark.parametrize(("eps", "bits"), [(1.9, 0), (2.0, 1), (2.5, 1), (2.9, 2), (3.46, 2), (3.47, 3)])
def test_dbscan_is_that_of_its_definition(eps, bits):
    codes = torch.cat([around(20, 15, 9, flips=3), around(8, flips=0, seed=5)])
    codes = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(1))]
    found, expected = dbscan(codes, eps), chains(codes, bits)
    assert partition(found) == partition(expected)
    assert torch.equal(found == NOISE, expected == NOISE)
    assert 1 <= found.max() + 1 <= 4


def test_four_codes_are_no_dbscan_cluster_and_five_are():
    assert dbscan(around(4, flips=0), 2.5).tolist() == [NOISE] * 4
    assert dbscan(around(5, flips=0), 2.5).tolist() == [0] * 5


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


NAMES = ("quadratic", "tanh", "exponential")


def two_clusters():
    """Codes around two opposite ones: 30 and 10, each with up to five bits flipped."""
    generator = torch.Generator().manual_seed(0)
    centre = sign(torch.randn(BITS, generator=generator))
    codes = []
    for number in range(40):
        code = centre.clone() if number < 30 else -centre
        flipped = torch.randperm(BITS, generator=generator)[: number % 6]
        code[flipped] *= -1
        codes.append(code)
    return torch.stack(codes)


LABELS = torch.tensor([0] * 30 + [1] * 10)


def height(kind, parameters, distance):
    """F(d) of one cluster, as the formulas have it."""
    if kind == "quadratic":
        square, linear, constant = parameters
        return square * distance**2 + linear * distance + constant
    if kind == "tanh":
        top, middle, width = parameters
        return top * (1 - math.tanh((distance - middle) / width))
    top, rate = parameters
    return top * math.exp(-rate * distance)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("centres", ["real", "signed"])
@pytest.mark.parametrize("relaxation", ["straight-through", "tanh"])
def test_loss_sums_each_clusters_curve_at_its_distance(kind, squared, centres, relaxation):
    codes = two_clusters()
    objective = fit_curves(codes, LABELS, kind, squared=squared, centres=centres, relaxation=relaxation)
    logits = torch.randn(4, BITS, generator=torch.Generator().manual_seed(1))
    expected = []
    for row in logits.tolist():
        total = 0.0
        for number, parameters in enumerate(objective.curves.parameters.tolist()):
            middle = codes[number == LABELS].double().mean(0).tolist()
            if centres == "signed":
                middle = [1.0 if value >= 0 else -1.0 for value in middle]
            item = [math.tanh(u) if relaxation == "tanh" else math.copysign(1, u) for u in row]
            distance = 0.5 * sum(abs(h - c) for h, c in zip(item, middle, strict=True))
            total += height(kind, parameters, distance) ** (2 if squared else 1)
        expected.append(total)
    torch.testing.assert_close(objective(logits, 0.0), torch.tensor(expected), rtol=1e-3, atol=1e-5)
    assert torch.equal(objective.score(logits), objective(logits, 0.9))
    assert objective.of(torch.tensor([1])) is objective


def test_the_gradient_passes_straight_through_the_sign_as_equation_8_has_it():
    codes = two_clusters()
    objective = fit_curves(codes, LABELS)
    logits = torch.linspace(-2, 2, BITS)[None].requires_grad_()
    (gradient,) = torch.autograd.grad(objective(logits, 0.0).sum(), logits)
    distances = objective.distances(logits).detach()[0]
    square, linear, _ = objective.curves.parameters.T
    slopes = 2 * square * distances + linear  # F_i'
    expected = -0.5 * (slopes[:, None] * objective.centres).sum(0)
    expected[logits[0].detach().abs() >= 1.5] = 0
    torch.testing.assert_close(gradient[0], expected)
    assert (gradient != 0).sum() > BITS / 2


@pytest.mark.parametrize("centres", ["real", "signed"])
def test_quadratics_are_fits_to_the_share_of_members_that_are_as_far(centres):
    codes = two_clusters()
    objective = fit_curves(codes, LABELS, centres=centres)
    for number in range(2):
        members = codes[number == LABELS]
        middle = members.mean(0) if centres == "real" else sign(members.mean(0))
        torch.testing.assert_close(objective.centres[number], middle)
        shares = []
        for distance in GRID:
            away = 0.5 * (members.double() - members.double().mean(0)).abs().sum(1)
            if centres == "signed":
                away = (members != middle).sum(1)
            shares.append(float((away >= distance - 1e-9).sum()) / len(codes))
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == len(members) / len(codes)
        design = np.stack([GRID**2, GRID, np.ones_like(GRID)], axis=1)
        expected = np.linalg.solve(design.T @ design, design.T @ np.array(shares))  # the closed form of the paper
        np.testing.assert_allclose(objective.curves.parameters[number].numpy(), expected, rtol=1e-3, atol=1e-7)


def test_curves_are_fitted_on_the_released_grid():
    assert len(GRID) == 3000
    assert GRID[0] == 0
    assert GRID[-1] == pytest.approx(29.99)


def test_a_member_at_the_distance_itself_counts():
    codes = torch.ones(2, BITS)
    codes[0, :4] = -1  # the centre lies between: two bits from either
    expected = np.polyfit(GRID, np.where(GRID <= 2, 1.0, 0.0), 2)
    found = fit_curves(codes, torch.zeros(2, dtype=torch.int64)).curves.parameters[0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", NAMES)
def test_the_curves_of_each_kind_are_its_own_functions(kind):
    shape = {"quadratic": Quadratic, "tanh": Tanh, "exponential": Exponential}[kind]
    assert isinstance(fit_curves(two_clusters(), LABELS, kind).curves, shape)


def parabola(middle=18.0, bottom=-0.2):
    """One cluster's curve, F(0) = 1: its vertex and its first root."""
    square = (1 - bottom) / middle**2
    root = middle - math.sqrt(-bottom / square)
    return Quadratic(torch.tensor([[square, -2 * square * middle, 1.0]])), middle, root


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("centre", [torch.ones(48), 0.9 * torch.ones(48)], ids=["signed", "real"])
def test_squaring_moves_the_minimum_from_the_vertex_to_the_first_root(squared, centre):
    """A linear encoder, logits = photo: descent from the centre itself stops where the curve says."""
    curve, vertex, root = parabola()
    objective = ClusterCurves(centre[None], curve, squared, relaxation="tanh")
    photo = (0.5 * centre[None]).requires_grad_()
    for _ in range(3000):
        (gradient,) = torch.autograd.grad(objective(photo, 0.0).sum(), photo)
        photo = (photo - 0.5 * gradient).detach().requires_grad_()
    assert root < vertex - 5
    assert objective.distances(photo).item() == pytest.approx(root if squared else vertex, abs=0.05)


def test_the_curve_over_codes_is_smallest_at_the_vertex_or_at_the_root():
    curve, vertex, root = parabola()
    codes = torch.ones(49, 48)
    for flipped in range(49):
        codes[flipped, :flipped] = -1
    for squared, expected in ((False, vertex), (True, root)):
        objective = ClusterCurves(torch.ones(1, 48), curve, squared)
        assert abs(objective(codes, 0.0).argmin().item() - expected) <= 0.5


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("relaxation", ["straight-through", "tanh"])
def test_descent_leads_away_from_a_cluster(kind, squared, relaxation):
    codes = two_clusters()[:30]
    objective = fit_curves(codes, torch.zeros(30, dtype=torch.int64), kind, squared=squared, relaxation=relaxation)
    logits = (0.2 * objective.centres).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(logits, 0.0).sum(), logits)
    largest = gradient.abs().topk(5).indices  # a few bits
    moved = logits.detach().clone()
    moved[0, largest[0]] -= 0.6 * gradient[0, largest[0]].sign()
    assert objective.distances(moved).item() > objective.distances(logits).item() + 1
    assert objective(moved, 0.0).item() < objective(logits, 0.0).item()


@pytest.mark.parametrize("kind", NAMES)
def test_the_size_of_the_sample_does_not_matter(kind):
    codes = two_clusters()
    once, twice = fit_curves(codes, LABELS, kind), fit_curves(codes.repeat(2, 1), LABELS.repeat(2), kind)
    logits = torch.randn(5, BITS, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(once(logits, 0.0), twice(logits, 0.0), rtol=1e-3, atol=1e-5)


def test_codes_in_no_cluster_move_no_centre_but_count_among_the_sample():
    codes = two_clusters()
    labels = torch.where(LABELS == 1, -1, 0)
    found, alone = fit_curves(codes, labels), fit_curves(codes[:30], labels[:30])
    assert torch.equal(found.centres, alone.centres)
    torch.testing.assert_close(found.curves.parameters, 0.75 * alone.curves.parameters)


def test_codes_without_any_cluster_are_refused():
    with pytest.raises(ValueError, match="no code is in a cluster"):
        fit_curves(two_clusters(), torch.full((40,), -1))


def test_the_fit_is_the_same_each_time():
    codes = sign(torch.randn(60, BITS, generator=torch.Generator().manual_seed(4)))
    first, second = (fit_curves(codes, k_means(codes, 6)) for _ in range(2))
    assert torch.equal(first.centres, second.centres)
    assert torch.equal(first.curves.parameters, second.curves.parameters)
