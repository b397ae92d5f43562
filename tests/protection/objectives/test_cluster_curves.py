"""ClusterCurves and the fit of its curves against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from recessive.codes import sign
from recessive.protection.objectives import ClusterCurves, fit_curves

BITS = 24


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


def share_at(codes, centre, total, distance):
    """Share of the sample that lies at ≥ distance from its centre."""
    away = [0.5 * sum(abs(a - b) for a, b in zip(code, centre, strict=True)) for code in codes]
    return sum(value >= distance for value in away) / total


def test_loss_sums_each_clusters_curve_at_its_distance():
    generator = torch.Generator().manual_seed(1)
    centres = 2 * torch.rand(3, BITS, generator=generator) - 1
    curves = torch.randn(3, 3, generator=generator)
    logits = torch.randn(4, BITS, generator=generator)
    expected = []
    for row in logits.tolist():
        total = 0.0
        for centre, (square, linear, constant) in zip(centres.tolist(), curves.tolist(), strict=True):
            distance = 0.5 * sum(abs(math.tanh(u) - c) for u, c in zip(row, centre, strict=True))
            total += square * distance**2 + linear * distance + constant
        expected.append(total)
    objective = ClusterCurves(centres, curves)
    torch.testing.assert_close(objective(logits, 0.0), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    assert torch.equal(objective.score(logits), objective(logits, 0.9))
    assert objective.of(torch.tensor([1])) is objective


def test_curves_are_fits_to_the_share_of_members_that_are_as_far():
    codes = two_clusters()
    fitted = fit_curves(codes, 2)
    nearest = torch.cdist(codes, fitted.centres).argmin(1)
    sizes = sorted(nearest.bincount().tolist())
    assert sizes == [10, 30]
    grid = np.arange(3000) / 100
    for number in range(2):
        members = codes[nearest == number]
        torch.testing.assert_close(fitted.centres[number], members.mean(0))
        centre = members.double().mean(0).tolist()
        shares = [share_at(members.tolist(), centre, len(codes), distance) for distance in grid[::50]]
        assert shares == sorted(shares, reverse=True)
        assert shares[0] == len(members) / len(codes)
        away = 0.5 * np.abs(members.numpy() - np.array(centre)).sum(1)
        every = [(away >= distance).sum() / len(codes) for distance in grid]
        assert every[::50] == pytest.approx(shares)
        np.testing.assert_allclose(fitted.curves[number].numpy(), np.polyfit(grid, every, 2), rtol=1e-3, atol=1e-7)


def test_a_member_at_the_distance_itself_counts():
    codes = torch.ones(2, BITS)
    codes[0, :4] = -1  # the centre lies between: two bits from either
    grid = np.arange(3000) / 100
    expected = np.polyfit(grid, np.where(grid <= 2, 1.0, 0.0), 2)
    np.testing.assert_allclose(fit_curves(codes, 1).curves[0].numpy(), expected, rtol=1e-4)


def test_descent_leads_away_from_a_cluster():
    codes = two_clusters()[:30]
    objective = fit_curves(codes, 1)
    logits = (0.5 * objective.centres).clone().requires_grad_()
    before = 0.5 * torch.cdist(logits.tanh(), objective.centres, p=1)
    loss = objective(logits, 0.0)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    moved = (logits - 0.2 * gradient.sign()).detach()
    after = 0.5 * torch.cdist(moved.tanh(), objective.centres, p=1)
    assert after.item() > before.item() + 0.5
    assert objective(moved, 0.0).item() < loss.item()


def test_the_size_of_the_sample_does_not_matter():
    codes = two_clusters()
    once, twice = fit_curves(codes, 2), fit_curves(codes.repeat(2, 1), 2)
    logits = torch.randn(5, BITS, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(once(logits, 0.0), twice(logits, 0.0), rtol=1e-3, atol=1e-5)


def test_there_are_at_most_as_many_clusters_as_codes():
    codes = sign(torch.randn(5, BITS, generator=torch.Generator().manual_seed(3)))
    fitted = fit_curves(codes, 20)
    assert fitted.centres.shape == (5, BITS)
    assert fitted.curves.shape == (5, 3)


def test_the_fit_is_the_same_each_time():
    codes = sign(torch.randn(60, BITS, generator=torch.Generator().manual_seed(4)))
    first, second = fit_curves(codes, 6), fit_curves(codes, 6)
    assert torch.equal(first.centres, second.centres)
    assert torch.equal(first.curves, second.curves)
