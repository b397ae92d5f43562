"""HDM's stop rule, and what the released code does otherwise."""

from __future__ import annotations

import pytest
import torch

from recessive.balls import LInf
from recessive.codes import sign
from recessive.protection.method import Run
from recessive.protection.methods.untargeted import HDM, HDM_RELEASED
from recessive.protection.objectives import MeanAgreement, SquaredAgreement
from recessive.protection.traces import Trace


@pytest.mark.parametrize("method", [HDM(), HDM_RELEASED], ids=["paper", "released"])
def test_it_stops_once_more_than_two_thirds_of_the_bits_are_flipped(method, surrogates, draw_photos):
    photos, encoder = draw_photos(4, 24, 24, 5), surrogates["logits"].encoder
    before = sign(encoder(photos))
    longest = 100
    for steps in range(1, longest):
        found = method(photos, [surrogates["logits"]], Run(LInf(64), steps, range(4)))
        flipped = (sign(encoder(found.photos)) != before).sum(1)
        assert torch.equal(found.done, flipped > 2 / 3 * encoder.dim)
        if found.done.all():
            break
    assert 1 < found.steps.max() < longest - 1
    assert len(found.steps.unique()) > 1  # each stops when it is done itself


def test_of_48_bits_more_than_32_are_to_be_flipped(surrogates, draw_photos):
    """The sum over two encoders of 24 bits."""
    photos, both = draw_photos(4, 24, 24, 5), [surrogates["logits"]] * 2
    before = sign(both[0].encoder(photos))
    for steps in (4, 8, 12):
        found = HDM_RELEASED(photos, both, Run(LInf(255), steps, range(4)))
        flipped = 2 * (sign(both[0].encoder(found.photos)) != before).sum(1)
        assert torch.equal(found.done, flipped > 32)


def test_the_released_loss_is_the_mean_difference_from_the_code():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 8, generator=generator)
    codes = sign(torch.randn(3, 8, generator=generator))
    expected = [
        -sum(abs(torch.tensor(u).tanh().item() - c) for u, c in zip(row, code, strict=True)) / 8
        for row, code in zip(logits.tolist(), codes.tolist(), strict=True)
    ]
    objective = MeanAgreement(codes, constant=-1.0)
    torch.testing.assert_close(objective(logits, 0.0), torch.tensor(expected))
    torch.testing.assert_close(objective(20 * codes, 0.0), torch.zeros(3))
    torch.testing.assert_close(objective(-20 * codes, 0.0), torch.full((3,), -2.0))
    assert torch.equal(objective.score(logits), (sign(logits) == codes).sum(1).float())
    assert torch.equal(objective.of(torch.tensor([2])).codes, codes[2:])


def test_both_losses_have_gradients_of_the_same_signs():
    logits = torch.randn(5, 24, generator=torch.Generator().manual_seed(1)).requires_grad_()
    codes = sign(torch.randn(5, 24, generator=torch.Generator().manual_seed(2)))
    printed, released = (
        torch.autograd.grad(objective(logits, 0.0).sum(), logits)[0]
        for objective in (SquaredAgreement(codes), MeanAgreement(codes, constant=-1.0))
    )
    assert torch.equal(printed.sign(), released.sign())
    assert (printed != 0).all()


def test_in_one_ball_both_forms_take_the_same_way(surrogates, draw_photos):
    photos = draw_photos(2, 24, 24, 6)
    run = Run(LInf(255), 6, range(2))
    printed, released = (method(photos, [surrogates["logits"]], run).photos for method in (HDM(), HDM_RELEASED))
    assert (printed != released).float().mean() < 0.01  # a sign of nearly nothing may round otherwise
    assert (printed - photos).abs().max() * 255 == pytest.approx(6, abs=0.01)


def test_steps_are_of_one_level_and_the_released_form_knows_no_ball(surrogates, draw_photos):
    photos, trace = draw_photos(1, 24, 24, 7), Trace()
    method = HDM_RELEASED
    assert (method.budget, method.steps) == (255, 20)
    assert (HDM().budget, HDM().steps) == (8, 20)
    found = method(photos, [surrogates["logits"]], Run(LInf(method.budget), method.steps, [0], trace=trace))
    moved = (found.photos - photos).abs().max() * 255
    assert moved <= found.steps.max() + 0.01
    assert moved > found.steps.max() - 1.01
