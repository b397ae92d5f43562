"""HAG's loss against a loop over bits."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.codes import sign
from recessive.protection.objectives.masked_agreement import MaskedAgreement


def draw(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def by_hand(logits, code, alpha, margin):
    products, values = [], []
    for u, h in zip(logits, code, strict=True):
        soft = math.tanh(alpha * u)
        if abs(soft - h) < 1 + margin:
            products.append(soft * h)
            values.append(soft)
    return (sum(products) / len(products) + 1) ** 2 + (sum(values) / len(logits)) ** 2


@pytest.mark.parametrize(("progress", "alpha"), [(0.0, 0.1), (0.65, 0.3), (1.0, 1.0)])
@pytest.mark.parametrize("margin", [0.1, 0.5])
def test_it_is_the_formula_over_the_bits_that_are_not_yet_flipped(progress, alpha, margin):
    logits, codes = 8 * draw(5, 12, 0), sign(draw(5, 12, 1))
    expected = [by_hand(row, code, alpha, margin) for row, code in zip(logits.tolist(), codes.tolist(), strict=True)]
    torch.testing.assert_close(MaskedAgreement(codes, margin)(logits, progress), torch.tensor(expected))


def test_bits_that_are_flipped_by_the_margin_rest_and_the_others_turn():
    codes = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    logits = torch.tensor([[-0.6, -0.5, 0.5, -2.0]], requires_grad=True)  # tanh 0.6 = 0.54, tanh 0.5 = 0.46
    (gradient,) = torch.autograd.grad(MaskedAgreement(codes, 0.5)(logits, 1.0).sum(), logits)
    assert gradient[0, 0] == 0
    assert (gradient * codes)[0, 1:].min() > 0  # descent leads away from the original's code


def test_the_second_term_keeps_pluses_and_minuses_in_balance():
    """Two codes with the same agreement, of which one has its +1 and −1 in balance."""
    objective = MaskedAgreement(torch.tensor([[1.0, 1, 1, 1], [1.0, 1, -1, -1]]), 0.5)
    logits = 30 * objective.originals
    torch.testing.assert_close(objective(logits, 1.0), torch.tensor([5.0, 4.0]))


def test_without_any_bit_left_there_is_no_gradient():
    codes = sign(draw(2, 8, 3))
    logits = (-9 * codes).requires_grad_()
    loss = MaskedAgreement(codes, 0.5)(logits, 1.0)
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert loss.tolist() == [1, 1]
    assert not gradient.any()


def test_it_scores_the_bits_that_agree_and_takes_some_photos():
    codes, logits, rows = sign(draw(4, 8, 4)), draw(4, 8, 5), torch.tensor([3, 1])
    objective = MaskedAgreement(codes, 0.5)
    assert objective.score(logits).tolist() == (sign(logits) == codes).sum(1).tolist()
    torch.testing.assert_close(objective.of(rows)(logits[rows], 0.3), objective(logits, 0.3)[rows])
