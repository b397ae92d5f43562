"""TargetAgreement and BinaryPenalty against loops over bits; where RNM's weights as printed stall."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.codes import sign
from recessive.protection.objectives.binary_penalty import BinaryPenalty
from recessive.protection.objectives.target_agreement import TargetAgreement

BITS = 12


def draw(count, seed):
    return torch.randn(count, BITS, generator=torch.Generator().manual_seed(seed))


def slopes(objective, logits, progress=0.0):
    logits = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(objective(logits, progress).sum(), logits)
    return gradient


def walked(objective, logits, steps=2000, rate=0.05):
    """Gradient descent on the logits themselves."""
    for _ in range(steps):
        logits = logits - rate * slopes(objective, logits)
    return logits


@pytest.mark.parametrize(("progress", "alpha"), [(0.0, 0.1), (0.55, 0.2), (1.0, 1.0)])
def test_target_agreement_and_its_slope_are_the_formula(progress, alpha):
    logits, anchors = 5 * draw(4, 0), sign(draw(4, 1))
    objective = TargetAgreement(anchors)
    rows = list(zip(logits.tolist(), anchors.tolist(), strict=True))
    expected = [-sum(math.tanh(alpha * u) * h for u, h in zip(*row, strict=True)) / BITS for row in rows]
    slope = [[-h * alpha * (1 - math.tanh(alpha * u) ** 2) / BITS for u, h in zip(*row, strict=True)] for row in rows]
    torch.testing.assert_close(objective(logits, progress), torch.tensor(expected))
    torch.testing.assert_close(slopes(objective, logits, progress), torch.tensor(slope))


@pytest.mark.parametrize("weight", [1 / BITS, 0.7])
def test_binary_penalty_and_its_slope_are_the_formula(weight):
    logits, anchors = 2 * draw(4, 2), sign(draw(4, 3))
    objective = BinaryPenalty(anchors, weight)
    loss, slope = [], []
    for row, code in zip(logits.tolist(), anchors.tolist(), strict=True):
        bits = [1 if u >= 0 else -1 for u in row]
        penalty = sum((u - b) ** 2 for u, b in zip(row, bits, strict=True))
        loss.append(weight * penalty - sum(b * h for b, h in zip(bits, code, strict=True)))
        slope.append([2 * weight * (u - b) - h for u, b, h in zip(row, bits, code, strict=True)])
    torch.testing.assert_close(objective(logits, 0.5), torch.tensor(loss))
    torch.testing.assert_close(slopes(objective, logits), torch.tensor(slope))


def test_rnm_flips_every_wrong_bit_and_with_both_weights_as_printed_none():
    """As printed a = 1/K and the product is divided by K too: multiplied by K that is a = 1 here."""
    anchors = torch.ones(1, BITS)
    wrong = -torch.linspace(0.05, 3, BITS)[None]
    flipped = walked(BinaryPenalty(anchors, 1 / BITS), wrong)
    torch.testing.assert_close(flipped, torch.full_like(wrong, 1 + BITS / 2), rtol=0, atol=1e-3)  # 2a (C − 1) = 1
    stalled = walked(BinaryPenalty(anchors, 1.0), wrong)
    torch.testing.assert_close(stalled, torch.full_like(wrong, -0.5))
    torch.testing.assert_close(walked(BinaryPenalty(anchors, 1.0), -wrong), torch.full_like(wrong, 1.5))


@pytest.mark.parametrize("weight", [0.49, 0.51])
def test_half_is_the_largest_weight_that_flips(weight):
    anchors, wrong = torch.ones(1, BITS), -torch.linspace(0.05, 3, BITS)[None]
    flipped = walked(BinaryPenalty(anchors, weight), wrong) > 0
    assert flipped.all() if weight < 0.5 else not flipped.any()


def test_a_wrong_bit_is_pulled_the_harder_by_rnm_the_farther_it_is_and_less_by_tanh():
    """With both divided by K, as printed: RNM's slope is ten times tanh's near 0 and grows with the distance."""
    anchors = torch.ones(3, 1)
    wrong = torch.tensor([[-0.01], [-10.0], [-30.0]])
    rnm = slopes(BinaryPenalty(anchors, 1 / 48), wrong).abs().flatten()
    tanh = slopes(TargetAgreement(anchors), wrong).abs().flatten()
    torch.testing.assert_close(rnm, torch.tensor([1 - 0.99 / 24, 1 + 9 / 24, 1 + 29 / 24]))
    torch.testing.assert_close(tanh, torch.tensor([0.1, 0.1 / math.cosh(1) ** 2, 0.1 / math.cosh(3) ** 2]))


@pytest.mark.parametrize("objective", [TargetAgreement, lambda anchors: BinaryPenalty(anchors, 0.1)])
def test_both_score_the_hamming_distance_and_take_some_photos(objective):
    anchors = torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]])
    logits = torch.tensor([[0.0, -2, 0.1, 3], [1, 2, 3, 0.1]])
    made, rows = objective(anchors), torch.tensor([1])
    assert made.score(logits).tolist() == [3, 0]
    torch.testing.assert_close(made.of(rows)(logits[rows], 0.6), made(logits, 0.6)[rows])
    assert made.of(rows).score(logits[rows]).tolist() == [0]
