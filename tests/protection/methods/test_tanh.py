"""Tanh-P2P and Tanh-P2S: whose code they take, when they stop, and their constants."""

from __future__ import annotations

import pytest
import torch

from recessive.balls import LInf
from recessive.codes import sign
from recessive.protection.method import Run
from recessive.protection.methods.targeted import TANH_P2S, Tanh
from recessive.protection.steps import UnitGradient
from recessive.transforms.transform import round_straight_through

EACH = pytest.mark.parametrize("method", [Tanh(), TANH_P2S], ids=lambda method: method.name)


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


@EACH
def test_it_takes_the_anchor_code_and_stops_there(method, photos, targets, surrogates):
    encoder = surrogates["logits"].encoder
    anchors = wanted(method, encoder, targets)
    run = Run(LInf(255), 40, range(3), targets=targets, saving=levels)
    found = method(photos, [surrogates["logits"]], run)
    assert torch.equal(found.done, (sign(encoder(found.photos)) == anchors).all(1))
    assert found.done.sum() >= 2
    assert (found.steps[found.done] < 40).all()
    assert len(found.steps.unique()) > 1  # each stops when it is done itself


@EACH
def test_a_photo_that_has_the_code_is_left_as_it_is(method, targets, surrogates):
    photos = torch.stack([own[0] for own in targets])
    run = Run(LInf(8), 5, range(3), targets=[[photo] for photo in photos])
    found = method(photos, [surrogates["logits"]], run)
    assert found.done.all()
    assert found.steps.tolist() == [0, 0, 0]
    assert torch.equal(found.photos, photos)


def test_one_takes_the_first_target_and_the_other_what_all_vote_for(targets, surrogates):
    encoder = surrogates["logits"].encoder
    assert (wanted(Tanh(), encoder, targets) != wanted(TANH_P2S, encoder, targets)).any()


@EACH
def test_constants_are_the_published_ones(method, photos, targets, surrogates, monkeypatch):
    given = {}

    def spy(photos, surrogates, objectives, run, *, step, wrap):  # noqa: ARG001 - descend's
        given.update(objective=objectives[0], step=step)

    monkeypatch.setattr("recessive.protection.methods.targeted.descend", spy)
    method(photos, [surrogates["logits"]], Run(LInf(8), 5, range(3), targets=targets))
    assert method.budget == pytest.approx(0.032 * 255)
    assert method.steps == 2000
    assert given["step"] == UnitGradient(1.0)
    assert torch.equal(given["objective"].codes, wanted(method, surrogates["logits"].encoder, targets))
