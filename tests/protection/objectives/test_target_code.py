"""TargetCode against a loop over bits."""

from __future__ import annotations

import math

import torch

from recessive.codes import hamming, sign
from recessive.protection.objectives.target_code import TargetCode


def draw(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def test_it_is_the_mean_distance_of_softened_bits_to_the_target():
    logits, targets = draw(4, 12, 0), sign(draw(4, 12, 1))
    expected = [
        sum(abs(math.tanh(u) - t) for u, t in zip(row, target, strict=True)) / 12
        for row, target in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    torch.testing.assert_close(TargetCode(targets)(logits, 0.3), torch.tensor(expected))


def test_it_is_0_at_the_target_and_2_at_its_opposite():
    targets = sign(draw(3, 12, 1))
    torch.testing.assert_close(TargetCode(targets)(20 * targets, 0.0), torch.zeros(3))
    torch.testing.assert_close(TargetCode(targets)(-20 * targets, 0.0), torch.full((3,), 2.0))


def test_it_scores_the_hamming_distance_and_takes_some_photos_with_their_targets():
    logits, targets, rows = draw(4, 12, 0), sign(draw(4, 12, 1)), torch.tensor([3, 1])
    objective = TargetCode(targets)
    assert torch.equal(objective.score(logits), hamming(sign(logits), targets).diagonal())
    torch.testing.assert_close(objective.of(rows)(logits[rows], 0.0), objective(logits, 0.0)[rows])
