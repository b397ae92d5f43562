"""One test of the contract over all methods."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recessive.balls import L2, LInf
from recessive.codes import sign
from recessive.protection.methods import METHODS, MethodError, Run
from recessive.protection.methods.vanish import OWN_WEIGHT, neighbours
from recessive.protection.objectives import CodeAgreement, DescriptorDistance, SoftCount, fit_curves

STEPS = 6
SEEDS = [11, 12]
CASES = [
    pytest.param(method, outputs, id=f"{name}-{outputs}")
    for name, method in METHODS.items()
    for outputs in sorted(method.accepts)
]
each_method = pytest.mark.parametrize(("method", "outputs"), CASES)


@pytest.fixture(scope="module")
def photos(draw_photos):
    return draw_photos(2, 24, 32, seed=0)


def protect(method, photos, surrogate, ball=None, steps=STEPS, seeds=SEEDS):
    return method(photos, [surrogate], Run(ball or LInf(method.budget), steps, seeds))


def levels(photos, originals):
    """The change in grey levels."""
    return 255 * (photos - originals)


def test_methods_are_listed_under_their_own_names_with_what_a_person_wants_to_know():
    for name, method in METHODS.items():
        assert method.name == name
        assert method.summary
        assert method.source
        assert method.departures
        assert method.accepts <= {"descriptor", "logits"}
        assert method.accepts
        assert method.budget > 0
        assert method.steps > 0


@each_method
@pytest.mark.parametrize("ball", [None, LInf(2), LInf(2.5), L2(3)], ids=["default", "2", "2.5", "L2"])
def test_results_are_photos_on_the_grid_in_the_ball(method, outputs, ball, photos, surrogates):
    found = protect(method, photos, surrogates[outputs], ball)
    result = found.photos
    assert result.shape == photos.shape
    assert result.dtype == torch.float32
    assert not result.requires_grad
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(result, (result * 255).round() / 255)
    change = levels(result, photos)
    ball = ball or LInf(method.budget)
    if isinstance(ball, LInf):
        assert change.abs().max() <= ball.budget + 1e-3
    else:
        assert change.square().mean(dim=(1, 2, 3)).sqrt().max() <= ball.budget + 1e-3
    assert (change.abs().amax(dim=(1, 2, 3)) >= 0.5).all()  # each photo is another than it was
    assert found.losses.shape == found.steps.shape == found.done.shape == (2,)
    assert (found.steps <= STEPS).all()


@each_method
def test_the_same_seeds_give_the_same_photos_and_inputs_stay_as_they_were(method, outputs, photos, surrogates):
    surrogate, kept = surrogates[outputs], photos.clone()
    sample = surrogate.sample.clone()
    first = protect(method, photos, surrogate)
    torch.rand(7)  # methods draw from their seeds alone
    second = protect(method, photos, surrogate)
    assert torch.equal(first.photos, second.photos)
    assert torch.equal(photos, kept)
    assert torch.equal(surrogate.sample, sample)
    assert not photos.requires_grad


@each_method
def test_batch_mates_do_not_influence_each_other(method, outputs, photos, surrogates):
    together = protect(method, photos, surrogates[outputs]).photos
    for row in range(2):
        alone = protect(method, photos[row : row + 1], surrogates[outputs], seeds=SEEDS[row : row + 1]).photos
        away = levels(alone[0], together[row]).abs()
        # Convolutions of one and of two photos may round differently, and a sign step magnifies it.
        assert (away > 0.5).float().mean() < 0.005


def meant(method, surrogate, photos):
    """What the method means to make small, as a function of the encoder's outputs."""
    encoder, sample = surrogate.encoder, surrogate.sample
    original, is_code = encoder(photos), encoder.outputs == "logits"
    own = sign(original) if is_code else original
    temperature = 3.0 if is_code else 0.05
    curves = fit_curves(sample, 20) if is_code else None
    views = [encoder(view) for view in neighbours(photos, SEEDS)]
    near = torch.stack([sign(view) if is_code else view for view in views], dim=1)
    if method.name == "vanish":
        soft = SoftCount(sample, near, surrogate.threshold, temperature, OWN_WEIGHT, encoder.outputs)
        return lambda values: soft(values, 1.0)
    objectives = {
        "pire": DescriptorDistance(original),
        "pire-plain": DescriptorDistance(original),
        "hdm": CodeAgreement(own),
        "cwdm": curves,
        "cwdm-sign": curves,
    }
    return objectives[method.name].score


@each_method
def test_what_is_meant_to_be_small_becomes_smaller_and_beats_noise(method, outputs, photos, surrogates):
    surrogate, ball = surrogates[outputs], LInf(method.budget)
    score = meant(method, surrogate, photos)
    steps = 300 if method.name.startswith("pire") else 20  # PIRE takes small steps
    found = protect(method, photos, surrogate, ball, steps).photos
    signs = (ball.random_start(photos, SEEDS) - photos).sign()
    noise = ball.to_grid(ball.project(photos + signs * method.budget / 255, photos), photos)
    before, random, after = (score(surrogate.encoder(each)) for each in (photos, noise, found))
    assert (after < before).all(), (before, after)
    assert (after < random).all(), (random, after)


@each_method
def test_two_encoders_at_once(method, outputs, photos, surrogates):
    surrogate = surrogates[outputs]
    pair = [surrogate, replace(surrogate, sample=surrogate.sample[:30])]
    found = method(photos, pair, Run(LInf(method.budget), STEPS, SEEDS)).photos
    assert levels(found, photos).abs().max() <= method.budget + 1e-3
    assert not torch.equal(found, photos)


@each_method
def test_no_steps_are_allowed(method, outputs, photos, surrogates):
    found = protect(method, photos, surrogates[outputs], steps=0)
    assert found.steps.tolist() == [0, 0]
    assert levels(found.photos, photos).abs().max() <= method.budget + 1e-3


WRONG = [
    pytest.param(method, outputs, id=f"{name}-{outputs}")
    for name, method in METHODS.items()
    for outputs in sorted({"descriptor", "logits"} - method.accepts)
]


@pytest.mark.parametrize(("method", "outputs"), WRONG)
def test_encoders_of_another_kind_are_refused_by_name(method, outputs, photos, surrogates):
    fitting = surrogates[next(iter(method.accepts))]
    with pytest.raises(MethodError, match=surrogates[outputs].encoder.name):
        method(photos, [fitting, surrogates[outputs]], Run(LInf(8), 1, SEEDS))


@each_method
def test_no_encoder_and_missing_seeds_are_refused(method, outputs, photos, surrogates):
    with pytest.raises(MethodError, match="at least one encoder"):
        method(photos, [], Run(LInf(8), 1, SEEDS))
    with pytest.raises(MethodError, match="one seed a photo is needed: 3 for 2 photos"):
        method(photos, [surrogates[outputs]], Run(LInf(8), 1, [1, 2, 3]))
