"""SoftCount against loops over photos and items."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn.functional import normalize

from recessive.codes import sign
from recessive.protection.methods.vanish import SAFE, SoftCount

PHOTOS, SAMPLE, VIEWS, DIM = 3, 7, 2, 16


def drawn(outputs):
    """Outputs of three photos and an objective, whose loops are easy."""
    generator = torch.Generator().manual_seed(5)

    def draw(*shape):
        return torch.randn(*shape, DIM, generator=generator)

    if outputs == "logits":
        objective = SoftCount(sign(draw(SAMPLE)), sign(draw(PHOTOS, VIEWS)), 7, 3.0, 1.0, "logits")
        return 2 * draw(PHOTOS), objective
    objective = SoftCount(
        normalize(draw(SAMPLE), dim=1), normalize(draw(PHOTOS, VIEWS), dim=2), 0.9, 0.05, 1.0, outputs
    )
    return normalize(draw(PHOTOS), dim=1), objective


def distance(outputs, one, other):
    if outputs == "logits":
        return sum((1 if value >= 0 else -1) != bit for value, bit in zip(one.tolist(), other.tolist(), strict=True))
    return 1 - sum(a * b for a, b in zip(one.tolist(), other.tolist(), strict=True))


def distances(objective, values):
    """Of each photo to the sample and to its own neighbours."""
    return [
        [distance(objective.outputs, row, item) for item in [*objective.sample, *objective.own[n]]]
        for n, row in enumerate(values)
    ]


@pytest.mark.parametrize("outputs", ["logits", "descriptor"])
def test_loss_is_the_log_of_the_summed_exponentials(outputs):
    values, objective = drawn(outputs)
    expected = [
        math.log(sum(math.exp((objective.threshold - d) / objective.temperature) for d in row))
        for row in distances(objective, values)
    ]
    torch.testing.assert_close(objective(values, 0.3), torch.tensor(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("outputs", ["logits", "descriptor"])
def test_own_neighbours_weigh_as_many_photos(outputs):
    values, objective = drawn(outputs)
    weighed = dataclasses.replace(objective, own_weight=5.0)
    repeated = dataclasses.replace(objective, own=objective.own.repeat(1, 5, 1))
    torch.testing.assert_close(weighed(values, 0.0), repeated(values, 0.0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("outputs", ["logits", "descriptor"])
def test_the_score_is_the_loss_until_a_photo_is_safe(outputs):
    values, objective = drawn(outputs)
    torch.testing.assert_close(objective.score(values), objective(values, 0.0))
    far = dataclasses.replace(objective, threshold=-50)
    assert (far(values, 0.0) < -SAFE).all()
    assert torch.equal(far.score(values), torch.full((PHOTOS,), -SAFE))


def test_a_loss_below_0_proves_that_no_item_is_within_the_threshold():
    values, objective = drawn("logits")
    for threshold in range(DIM):
        some = dataclasses.replace(objective, threshold=threshold)
        nearest = torch.tensor([min(row) for row in distances(objective, values)])
        below = some(values, 0.0) < 0
        assert (nearest[below] > threshold).all()
    assert below.any() or (dataclasses.replace(objective, threshold=-9)(values, 0.0) < 0).all()


def test_the_gradient_is_that_of_the_bits_times_the_slope_of_softsign():
    values, objective = drawn("logits")
    values[0, :3] = torch.tensor([0.0, -9.0, 1.0])
    bits = sign(values).requires_grad_()
    rows = [
        torch.cat([0.5 * (DIM - objective.sample @ bits[n]), 0.5 * (DIM - objective.own[n] @ bits[n])])
        for n in range(PHOTOS)
    ]
    loss = sum(((objective.threshold - row) / objective.temperature).exp().sum().log() for row in rows)
    (of_bits,) = torch.autograd.grad(loss, bits)
    logits = values.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(logits, 0.0).sum(), logits)
    torch.testing.assert_close(gradient, of_bits / (1 + values.abs()) ** 2)


def test_far_from_everything_the_gradient_is_still_finite_and_not_zero():
    _, objective = drawn("logits")
    far = SoftCount(objective.sample, objective.own, -200, 1.0, 1.0, "logits")
    logits = torch.full((PHOTOS, DIM), 0.5, requires_grad=True)
    loss = far(logits, 0.0)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).any(dim=1).all()


@pytest.mark.parametrize("outputs", ["logits", "descriptor"])
def test_some_photos_keep_their_own_neighbours(outputs):
    values, objective = drawn(outputs)
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(objective.of(rows)(values[rows], 0.0), objective(values, 0.0)[rows])
    assert torch.equal(objective.of(rows).score(values[rows]), objective.score(values)[rows])
