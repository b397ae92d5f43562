"""RNM on a linear encoder, whose best code is known; whose code it takes, when it stops, and its constants."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recessive.balls import LInf
from recessive.codes import sign
from recessive.encoders import Encoder
from recessive.protection.method import Run, Surrogate
from recessive.protection.methods.targeted import RNM, RNM_P2S, TargetedRNM
from recessive.protection.objectives.codes import BinaryPenalty
from recessive.protection.steps import UnitGradient
from recessive.transforms.transform import round_straight_through

TARGETED = pytest.mark.parametrize("method", [TargetedRNM(), RNM_P2S], ids=lambda method: method.name)
BITS = 8


def linear(levels):
    """Each bit sees pixels of its own: u_k = 16 · mean − 8.03 + level_k, the level at a photo of 128/255."""
    head = nn.Linear(3 * 32, BITS)
    with torch.no_grad():
        head.weight.copy_(torch.eye(BITS).repeat_interleave(12, dim=1) * 16 / 12)
        head.bias.copy_(torch.tensor(levels) - 16 * 128 / 255)
    return Encoder("linear", nn.Flatten(), head, BITS, "logits").requires_grad_(False)


@pytest.fixture(scope="module")
def photos(draw_photos):
    return draw_photos(3, 24, 24, 5)


@pytest.fixture(scope="module")
def targets(draw_photos):
    return [list(draw_photos(3, 24, 24, seed)) for seed in (70, 80, 90)]


def levels(photos):
    """The 8-bit grid, so that what is done before saving is done after it."""
    return round_straight_through(photos * 255) / 255


def wanted(method, encoder, targets):
    codes = [sign(encoder(torch.stack(own))) for own in targets]
    return torch.stack([own[0] if method.voters == 1 else sign(own.sum(0)) for own in codes])


def test_away_from_its_own_code_it_flips_exactly_the_bits_that_the_budget_can_flip():
    encoder = linear([0.1, -0.1, 0.3, -0.3, 0.45, -0.45, 0.9, -0.9])
    grey = torch.full((1, 3, 4, 8), 128 / 255)
    found = RNM()(grey, [Surrogate(encoder)], Run(LInf(8), 50, [0]))
    assert (sign(encoder(found.photos)) != sign(encoder(grey))).tolist() == [[True] * 6 + [False] * 2]
    assert not found.done.any()


def test_away_from_its_own_code_it_stops_once_every_bit_is_flipped():
    encoder = linear([0.1, -0.1, 0.3, -0.3, 0.1, -0.1, 0.1, -0.1])
    grey = torch.full((1, 3, 4, 8), 128 / 255)
    found = RNM(length=0.05)(grey, [Surrogate(encoder)], Run(LInf(8), 50, [0]))
    assert (sign(encoder(found.photos)) != sign(encoder(grey))).all()
    assert found.done.all()
    assert 1 < int(found.steps) < 50


@TARGETED
def test_it_takes_the_anchor_code_and_stops_there(method, photos, targets, surrogates):
    encoder = surrogates["logits"].encoder
    anchors = wanted(method, encoder, targets)
    run = Run(LInf(255), 40, range(3), targets=targets, saving=levels)
    found = method(photos, [surrogates["logits"]], run)
    assert torch.equal(found.done, (sign(encoder(found.photos)) == anchors).all(1))
    assert found.done.sum() >= 2
    assert (found.steps[found.done] < 40).all()


def test_one_takes_the_first_target_and_the_other_what_all_vote_for(targets, surrogates):
    encoder = surrogates["logits"].encoder
    assert (wanted(TargetedRNM(), encoder, targets) != wanted(RNM_P2S, encoder, targets)).any()


def test_with_several_encoders_it_goes_on_until_all_give_their_anchor():
    """Of two encoders the second needs a change that the first does not."""
    near, far = linear([0.1] * BITS), linear([0.4] * BITS)
    grey = torch.full((1, 3, 4, 8), 128 / 255)
    run = Run(LInf(8), 100, [0], targets=[[torch.zeros(3, 4, 8)]])
    alone = TargetedRNM(length=0.05)(grey, [Surrogate(near)], run)
    both = TargetedRNM(length=0.05)(grey, [Surrogate(near), Surrogate(far)], run)
    assert both.done.all()
    assert (sign(far(both.photos)) == -1).all()
    assert (sign(far(alone.photos)) == 1).all()
    assert both.steps > alone.steps


@pytest.mark.parametrize("method", [RNM(), TargetedRNM(), RNM_P2S], ids=lambda method: method.name)
def test_constants_are_the_published_ones(method, photos, targets, surrogates, monkeypatch):
    given, encoder = {}, surrogates["logits"].encoder

    def spy(photos, surrogates, objectives, run, *, step, wrap):  # noqa: ARG001 - descend's
        given.update(objective=objectives[0], step=step)

    monkeypatch.setattr("recessive.protection.methods.targeted.descend", spy)
    method(photos, [surrogates["logits"]], Run(LInf(8), 5, range(3), targets=targets))
    assert method.budget == pytest.approx(0.032 * 255)
    assert method.steps == 2000
    assert given["step"] == UnitGradient(1.0)
    assert isinstance(given["objective"], BinaryPenalty)
    assert given["objective"].weight is None  # 1/m
    anchors = -sign(encoder(photos)) if isinstance(method, RNM) else wanted(method, encoder, targets)
    assert torch.equal(given["objective"].codes, anchors)
