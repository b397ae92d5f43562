"""CodeProduct against a loop over bits."""

from __future__ import annotations

import math

import torch

from recessive.codes import sign
from recessive.protection.objectives.code_product import CodeProduct


def draw(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_mean_product_of_softened_bits_and_code():
    logits, codes = draw(4, 12, 0), sign(draw(4, 12, 1))
    expected = [
        sum(math.tanh(u) * c for u, c in zip(row, code, strict=True)) / 12
        for row, code in zip(logits.tolist(), codes.tolist(), strict=True)
    ]
    torch.testing.assert_close(CodeProduct(codes)(logits, 0.3), torch.tensor(expected))


def test_it_is_1_at_the_code_and_minus_1_at_its_opposite():
    codes = sign(draw(3, 12, 1))
    torch.testing.assert_close(CodeProduct(codes)(20 * codes, 0.0), torch.ones(3))
    torch.testing.assert_close(CodeProduct(codes)(-20 * codes, 0.0), -torch.ones(3))


def test_it_scores_the_bits_that_agree_and_zero_is_a_plus():
    objective = CodeProduct(torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]]))
    assert objective.score(torch.tensor([[0.0, -2, -0.1, 3], [1, 2, 3, 0.1]])).tolist() == [2, 4]


def test_it_takes_some_photos_with_their_codes():
    logits, objective, rows = draw(4, 12, 0), CodeProduct(sign(draw(4, 12, 1))), torch.tensor([3, 1])
    torch.testing.assert_close(objective.of(rows)(logits[rows], 0.0), objective(logits, 0.0)[rows])
