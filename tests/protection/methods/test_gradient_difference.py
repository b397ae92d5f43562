"""The step of gradient-difference, its other class, and its end."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from recessive.balls import LInf
from recessive.codes import sign
from recessive.encoders import Encoder
from recessive.protection.method import MethodError, Run, Surrogate
from recessive.protection.methods.gradient_difference import GradientDifference, InverseGradient, class_margin


def linear(sample, labels):
    """A linear encoder with outputs in place of descriptors, so that class scores are linear in the photo."""
    head = nn.Sequential(nn.Flatten(), nn.Linear(108, 4, bias=False))
    with torch.no_grad():
        weight = 0.05 * torch.randn(4, 108, generator=torch.Generator().manual_seed(1))
        head[1].weight.copy_(weight - weight.mean(1, keepdim=True))  # blind to the mean, so that grey is undecided
    encoder = Encoder("linear", nn.Identity(), head.requires_grad_(False), 4, "descriptor")
    return Surrogate(encoder, sample, labels=labels)


@given(st.integers(0, 1000), st.floats(-6, 6), st.floats(0.01, 1))
def test_a_step_is_the_gradient_over_its_squared_length_up_to_the_cap(seed, power, gain):
    gradient = 10**power * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
    update, state = InverseGradient(gain, 1.0)(gradient, (), 0.5)
    assert state == ()
    for each, g in zip(update, gradient, strict=True):
        squared = sum(value**2 for value in g.double().flatten().tolist())
        factor = min(gain / squared, math.sqrt(60) / 255 / math.sqrt(squared))
        torch.testing.assert_close(each, -factor * g, rtol=1e-4, atol=1e-9)


def test_no_gradient_no_step():
    update, _ = InverseGradient(0.05, 1.0)(torch.zeros(2, 3, 4, 4), (), 0.0)
    assert torch.equal(update, torch.zeros(2, 3, 4, 4))


def test_on_a_linear_encoder_each_step_lowers_the_margin_by_the_gain_until_the_other_class_is_best():
    surrogate = linear(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]]), torch.tensor([0, 1]))
    photos = torch.randint(90, 166, (6, 3, 6, 6), generator=torch.Generator().manual_seed(0)) / 255
    scores = surrogate.encoder(photos)[:, :2]
    labels = scores.argmax(1)
    assert len(labels.unique()) == 2
    margins = (scores[:, 0] - scores[:, 1]).abs()
    gain = 0.007
    run = Run(LInf(64), 100, range(6), labels=labels)
    found = GradientDifference(gain=gain, largest=64.0)(photos, [surrogate], run)
    taken = (margins / gain).ceil()
    assert taken.min() >= 1
    assert taken.max() > taken.min()
    assert torch.equal(found.steps, taken.long())
    torch.testing.assert_close(found.losses, margins - gain * taken, rtol=0, atol=1e-5)
    assert found.done.all()


def test_the_cap_holds_back_the_steps():
    surrogate = linear(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]]), torch.tensor([0, 1]))
    photos = torch.randint(90, 166, (1, 3, 6, 6), generator=torch.Generator().manual_seed(0)) / 255
    labels = surrogate.encoder(photos)[:, :2].argmax(1)
    run = Run(LInf(64), 1, [0], labels=labels)
    found = GradientDifference(gain=1e6, largest=3.0)(photos, [surrogate], run).photos
    assert 255 * (found - photos).square().mean().sqrt() == pytest.approx(3, abs=0.3)  # rounded to levels


def test_it_ends_when_the_codes_best_class_is_the_other_one(surrogates, draw_photos):
    surrogate, photos = surrogates["logits"], draw_photos(4, 24, 24, 5)
    run = Run(LInf(64), 200, range(4), labels=torch.tensor([0, 1, 2, 0]))
    margin = class_margin(surrogate, run, surrogate.encoder(photos))
    before = (sign(surrogate.encoder(photos)) @ margin.means.T).argmax(1)
    assert (before != margin.other).all()

    def to_grid(photos):
        return photos + ((255 * photos).round() / 255 - photos).detach()

    found = GradientDifference()(photos, [surrogate], replace(run, saving=to_grid))
    after = (sign(surrogate.encoder(found.photos)) @ margin.means.T).argmax(1)
    assert found.done.all()
    assert (found.steps > 0).all()
    assert torch.equal(after, margin.other)


@pytest.mark.parametrize("outputs", ["logits", "descriptor"])
def test_class_means_are_those_of_the_sample_whatever_the_labels_are_called(surrogates, draw_photos, outputs):
    surrogate = surrogates[outputs]
    renamed = replace(surrogate, labels=torch.tensor([40, 7, 1000])[surrogate.labels])
    run = Run(LInf(8), 1, [0, 1], labels=torch.tensor([1000, 7]))
    margin = class_margin(renamed, run, surrogate.encoder(draw_photos(2, 24, 24, 5)))
    for mean, name in zip(margin.means, (1, 0, 2), strict=True):  # in the order of 7, 40, 1000
        torch.testing.assert_close(mean, surrogate.sample[surrogate.labels == name].mean(0))
    assert margin.own.tolist() == [[False, False, True], [True, False, False]]


def test_the_other_class_is_drawn_from_the_seed_and_is_neither_the_own_nor_the_best():
    sample = torch.eye(4)
    surrogate = linear(sample, torch.arange(4))
    originals = torch.tensor([[0.1, 0.9, 0.2, 0.3]])
    drawn = set()
    for seed in range(40):
        run = Run(LInf(8), 1, [seed], labels=torch.tensor([0]))
        again = [class_margin(surrogate, run, originals).other.tolist() for _ in range(2)]
        assert again[0] == again[1]
        drawn |= set(again[0])
    assert drawn == {2, 3}


def test_with_one_other_class_that_is_taken():
    surrogate = linear(torch.eye(4)[:2], torch.arange(2))
    run = Run(LInf(8), 1, [5], labels=torch.tensor([0]))
    assert class_margin(surrogate, run, torch.tensor([[0.1, 0.9, 0.0, 0.0]])).other.tolist() == [1]


def test_of_several_labels_the_classes_without_photos_count_for_nothing():
    labels = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]).bool()
    surrogate = linear(torch.eye(4)[:3], labels)
    run = Run(LInf(8), 1, [0], labels=torch.tensor([[1, 0, 1, 0]]).bool())
    margin = class_margin(surrogate, run, torch.tensor([[1.0, 0, 0, 0]]))
    expected = torch.tensor([[1.0, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0]])  # of labels 0, 1 and 3
    torch.testing.assert_close(margin.means, expected)
    assert margin.own.tolist() == [[True, False, False]]
    assert margin.other.tolist() in ([1], [2])


def test_a_class_that_the_sample_does_not_know_and_a_photo_of_every_class_are_refused():
    surrogate = linear(torch.eye(4)[:2], torch.arange(2))
    with pytest.raises(MethodError, match="photos of the photo's own class and of others"):
        class_margin(surrogate, Run(LInf(8), 1, [0], labels=torch.tensor([5])), torch.eye(4)[:1])
    unlabelled = linear(torch.eye(4)[:3], torch.tensor([[1, 0], [0, 1], [0, 0]]).bool())
    run = Run(LInf(8), 1, [0], labels=torch.tensor([[True, True]]))
    with pytest.raises(MethodError, match="has every class"):
        class_margin(unlabelled, run, torch.eye(4)[:1])
    with pytest.raises(MethodError, match="classes: of the photos, and of linear"):
        class_margin(replace(surrogate, labels=None), run, torch.eye(4)[:1])


def test_constants():
    method = GradientDifference()
    assert (method.budget, method.steps, method.gain, method.largest) == (8, 100, 0.05, 1)
