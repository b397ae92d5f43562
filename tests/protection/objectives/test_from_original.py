"""CodeAgreement and DescriptorDistance against loops over photos."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import normalize

from recessive.codes import sign
from recessive.protection.objectives import CodeAgreement, DescriptorDistance


def draw(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_code_agreement_is_the_squared_mean_product_plus_one():
    logits, codes = draw(4, 12, 0), sign(draw(4, 12, 1))
    expected = [
        (sum(math.tanh(u) * h for u, h in zip(row, code, strict=True)) / 12 + 1) ** 2
        for row, code in zip(logits.tolist(), codes.tolist(), strict=True)
    ]
    torch.testing.assert_close(CodeAgreement(codes)(logits, 0.0), torch.tensor(expected))


def test_code_agreement_is_4_at_the_original_and_0_when_all_bits_are_flipped():
    codes = sign(draw(3, 12, 1))
    torch.testing.assert_close(CodeAgreement(codes)(20 * codes, 0.0), torch.full((3,), 4.0))
    torch.testing.assert_close(CodeAgreement(codes)(-20 * codes, 0.0), torch.zeros(3))


def test_code_agreement_has_a_gradient_at_the_original():
    logits = draw(3, 12, 0).requires_grad_()
    (gradient,) = torch.autograd.grad(CodeAgreement(sign(logits.detach()))(logits, 0.0).sum(), logits)
    assert (gradient * logits > 0).all()  # descent brings each logit nearer to zero


def test_code_agreement_scores_the_bits_that_agree_and_zero_is_a_plus():
    objective = CodeAgreement(torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]]))
    logits = torch.tensor([[0.0, -2, -0.1, 3], [1, 2, 3, 0.1]])
    assert objective.score(logits).tolist() == [2, 4]


def test_descriptor_distance_is_minus_the_squared_euclidean_one():
    outputs, originals = normalize(draw(4, 12, 0), dim=1), normalize(draw(4, 12, 1), dim=1)
    expected = [
        -sum((a - b) ** 2 for a, b in zip(row, original, strict=True))
        for row, original in zip(outputs.tolist(), originals.tolist(), strict=True)
    ]
    objective = DescriptorDistance(originals)
    torch.testing.assert_close(objective(outputs, 0.0), torch.tensor(expected))
    torch.testing.assert_close(objective.score(outputs), torch.tensor(expected))


def test_descriptor_distance_has_no_gradient_at_the_original():
    outputs = normalize(draw(3, 12, 0), dim=1).requires_grad_()
    (gradient,) = torch.autograd.grad(DescriptorDistance(outputs.detach().clone())(outputs, 0.0).sum(), outputs)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_both_take_some_photos_with_their_originals():
    outputs, originals, rows = draw(4, 12, 0), sign(draw(4, 12, 1)), torch.tensor([3, 1])
    for objective in (CodeAgreement(originals), DescriptorDistance(originals)):
        torch.testing.assert_close(objective.of(rows)(outputs[rows], 0.0), objective(outputs, 0.0)[rows])
