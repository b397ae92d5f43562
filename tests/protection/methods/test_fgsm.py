"""FGSM and iFGSM where the best photo of the ball is known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recessive.balls import L2, LInf
from recessive.codes import sign
from recessive.encoders import Encoder
from recessive.protection.method import Run, Surrogate
from recessive.protection.methods.untargeted import FGSM, IFGSM


@pytest.fixture
def photos():
    """Far from the ends of [0, 1], on the 8-bit grid."""
    return torch.randint(60, 200, (4, 3, 6, 6), generator=torch.Generator().manual_seed(0)) / 255


@pytest.fixture
def one_bit():
    """One bit of a linear encoder: the sign of w·x."""
    head = nn.Sequential(nn.Flatten(), nn.Linear(108, 1, bias=False))
    with torch.no_grad():
        head[1].weight.copy_(0.05 * torch.randn(1, 108, generator=torch.Generator().manual_seed(1)))
    return Surrogate(Encoder("one-bit", nn.Identity(), head.requires_grad_(False), 1, "logits"))


def downhill(one_bit, photos):
    """Where the bit of each photo gets weaker: −h sign(w)."""
    bits = sign(one_bit.encoder(photos)).view(-1, 1, 1, 1)
    assert len(bits.unique()) == 2
    return -bits * one_bit.encoder.head[1].weight.sign().view(1, 3, 6, 6)


@pytest.mark.parametrize("budget", [1, 3, 8])
def test_on_a_linear_encoder_fgsm_finds_the_best_photo_of_the_ball(photos, one_bit, budget):
    found = FGSM()(photos, [one_bit], Run(LInf(budget), 1, range(4)))
    torch.testing.assert_close(found.photos, photos + budget / 255 * downhill(one_bit, photos))


def test_fgsm_takes_one_step_however_many_are_asked_for(photos, one_bit):
    once, often = (FGSM()(photos, [one_bit], Run(LInf(8), steps, range(4))) for steps in (1, 50))
    assert once.steps.tolist() == often.steps.tolist() == [1, 1, 1, 1]
    assert torch.equal(once.photos, often.photos)


@pytest.mark.parametrize("steps", [1, 2, 7, 10])
def test_ifgsm_goes_one_level_a_step_to_the_edge_of_the_ball(photos, one_bit, steps):
    found = IFGSM(photos, [one_bit], Run(LInf(8), steps, range(4)))
    torch.testing.assert_close(found.photos, photos + min(steps, 8) / 255 * downhill(one_bit, photos))


def test_an_l2_ball_cuts_the_one_step_to_its_radius(photos, one_bit):
    found = FGSM()(photos, [one_bit], Run(L2(4), 1, range(4)))
    torch.testing.assert_close(found.photos, photos + 4 / 255 * downhill(one_bit, photos))


def test_on_descriptors_the_whole_budget_is_spent_and_the_seed_counts(surrogates, draw_photos):
    photos = (0.25 + 0.5 * draw_photos(2, 24, 24, 3)).mul(255).round() / 255
    results = [FGSM()(photos, [surrogates["descriptor"]], Run(LInf(8), 1, seeds)).photos for seeds in ((0, 1), (2, 3))]
    for result in results:
        moved = 255 * (result - photos).abs()
        assert ((moved - 8).abs() < 1e-2).float().mean() > 0.99  # all but where the gradient is zero
    assert not torch.equal(*results)


def test_on_codes_the_seed_does_not_count(surrogates, draw_photos):
    photos = draw_photos(2, 24, 24, 3)
    results = [IFGSM(photos, [surrogates["logits"]], Run(LInf(8), 3, seeds)).photos for seeds in ((0, 1), (2, 3))]
    assert torch.equal(*results)


def test_constants_are_the_papers():
    assert (FGSM().budget, FGSM().steps) == (8, 1)
    assert (IFGSM.size, IFGSM.steps) == (1, min(IFGSM.budget + 4, 1.25 * IFGSM.budget))
