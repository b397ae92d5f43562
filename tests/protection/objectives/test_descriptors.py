"""Descriptor objectives against loops over photos."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import normalize

from recessive.codes import sign
from recessive.protection.objectives import DescriptorDistance, TargetCosine


def draw(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_target_cosine_is_one_minus_the_cosine():
    outputs, targets = draw(4, 12, 0), draw(4, 12, 1)
    expected = []
    for row, target in zip(outputs.tolist(), targets.tolist(), strict=True):
        product = sum(a * b for a, b in zip(row, target, strict=True))
        expected.append(1 - product / (math.hypot(*row) * math.hypot(*target)))
    objective = TargetCosine(targets)
    torch.testing.assert_close(objective(outputs, 0.0), torch.tensor(expected))
    torch.testing.assert_close(objective.score(outputs), torch.tensor(expected))


def test_target_cosine_is_0_along_the_target_and_2_against_it():
    codes = sign(draw(3, 12, 1))
    torch.testing.assert_close(TargetCosine(codes)(7 * codes, 0.0), torch.zeros(3))
    torch.testing.assert_close(TargetCosine(codes)(-7 * codes, 0.0), torch.full((3,), 2.0))


def test_descent_brings_wrong_bits_nearer_to_the_target():
    logits, codes = draw(3, 12, 0).requires_grad_(), sign(draw(3, 12, 1))
    (gradient,) = torch.autograd.grad(TargetCosine(codes)(logits, 0.0).sum(), logits)
    wrong = sign(logits.detach()) != codes
    agreeing = ((logits.detach() * codes).sum(1) > 0).view(-1, 1) & wrong
    assert agreeing.any()
    assert (gradient * codes < 0)[agreeing].all()


def test_target_cosine_takes_some_photos_with_their_targets():
    outputs, targets, rows = draw(4, 12, 0), draw(4, 12, 1), torch.tensor([3, 1])
    objective = TargetCosine(targets)
    torch.testing.assert_close(objective.of(rows)(outputs[rows], 0.0), objective(outputs, 0.0)[rows])


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
