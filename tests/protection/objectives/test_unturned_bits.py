"""UnturnedBits against the loss that was released."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.codes import sign
from recessive.protection.objectives.unturned_bits import UnturnedBits

ALPHAS = {0.0: 0.1, 0.49: 0.1, 0.5: 0.2, 0.6: 0.3, 0.75: 0.5, 0.8: 0.7, 0.99: 1.0, 1.0: 1.0}


def draw(count, dim, seed):
    return 3 * torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("progress", "alpha"), ALPHAS.items())
def test_it_is_the_mean_of_t_times_t_plus_2(progress, alpha):
    logits, codes = draw(4, 12, 0), sign(draw(4, 12, 1))
    expected = []
    for row, code in zip(logits.tolist(), codes.tolist(), strict=True):
        agreements = [max(c * math.tanh(alpha * u), -0.5) for u, c in zip(row, code, strict=True)]
        expected.append(sum(t * (t + 2) for t in agreements) / 12)
    torch.testing.assert_close(UnturnedBits(codes)(logits, progress), torch.tensor(expected))


def test_its_gradient_is_that_of_the_released_loss_for_each_photo_alone():
    """Released: the sum of s (s + 2) over the bits with s > −½, divided by their number."""
    logits, codes = draw(5, 16, 2), sign(draw(5, 16, 3))
    for row, code in zip(logits, codes, strict=True):
        ours, released = row[None].clone().requires_grad_(), row.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(UnturnedBits(code[None])(ours, 1.0).sum(), ours)
        agreement = released.tanh() * code
        kept = agreement > -0.5
        assert 0 < kept.sum() < 16
        (expected,) = torch.autograd.grad((agreement * (agreement + 2))[kept].sum() / kept.sum(), released)
        torch.testing.assert_close(gradient[0], expected * kept.sum() / 16)


def test_it_is_3_at_the_code_and_minus_three_quarters_without_a_gradient_once_all_bits_are_turned():
    codes = sign(draw(3, 12, 1))
    torch.testing.assert_close(UnturnedBits(codes)(20 * codes, 1.0), torch.full((3,), 3.0))
    logits = (-codes).requires_grad_()
    losses = UnturnedBits(codes)(logits, 1.0)
    torch.testing.assert_close(losses, torch.full((3,), -0.75))
    assert torch.equal(torch.autograd.grad(losses.sum(), logits)[0], torch.zeros_like(codes))


def test_it_never_rises_as_a_bit_turns():
    logits = torch.linspace(3, -3, 601)[:, None]
    losses = UnturnedBits(torch.ones(601, 1))(logits, 1.0)
    assert (losses.diff() <= 0).all()
    assert losses.diff().abs().max() < 0.03


def test_it_scores_the_bits_that_agree_and_takes_some_photos_with_their_codes():
    objective = UnturnedBits(torch.tensor([[1.0, 1, -1, -1], [1, 1, 1, 1]]))
    logits = torch.tensor([[0.0, -2, -0.1, 3], [1, 2, 3, 0.1]])
    assert objective.score(logits).tolist() == [2, 4]
    rows = torch.tensor([1])
    torch.testing.assert_close(objective.of(rows)(logits[rows], 1.0), objective(logits, 1.0)[rows])
