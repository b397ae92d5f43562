"""One test of the contract over all methods; of the family of CWDM, over one member an axis."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from recessive.balls import L2, LInf
from recessive.encoders import GIST, Encoder
from recessive.protection import optimise
from recessive.protection.keypoints import KEYPOINT_METHODS
from recessive.protection.method import MethodError, Run
from recessive.protection.methods import CWDM, METHODS, defaults, joint
from recessive.protection.optimise import GradientError
from recessive.protection.traces import Trace

STEPS = 6
SEEDS = [11, 12]
ONE_AN_AXIS = {"cwdm-dbscan", "cwdm-exponential", "cwdm-squared-signed", "cwdm-sign", "cwdm-straight-through"}
RUN = {name: method for name, method in METHODS.items() if not isinstance(method, CWDM) or name in ONE_AN_AXIS}
CASES = [
    pytest.param(method, outputs, id=f"{name}-{outputs}")
    for name, method in RUN.items()
    for outputs in sorted(method.accepts)
]
WITH_GRADIENTS = [case for case in CASES if "gradients" in case.values[0].needs]
each_method = pytest.mark.parametrize(("method", "outputs"), CASES)
each_gradient_method = pytest.mark.parametrize(("method", "outputs"), WITH_GRADIENTS)


@pytest.fixture(scope="module")
def photos(draw_photos):
    return draw_photos(2, 24, 32, seed=0)


@pytest.fixture(scope="module")
def targets(draw_photos):
    """Two target photos of each photo, of different sizes."""
    return [[*draw_photos(1, 24, 24, seed), *draw_photos(1, 30, 20, seed + 1)] for seed in (40, 50)]


@pytest.fixture
def protect(targets):
    """Run a method with all that it may need."""

    def run(method, photos, surrogate, ball=None, steps=STEPS, seeds=SEEDS, rows=(0, 1), **changes):
        surrogates = surrogate if isinstance(surrogate, list) else [surrogate]
        labels = torch.tensor([0, 1], device="cpu")[list(rows)]
        chosen = [targets[row] for row in rows]
        asked = Run(ball or LInf(method.budget), steps, seeds, labels=labels, targets=chosen)
        return method(photos, surrogates, replace(asked, **changes))

    return run


class Fragile(nn.Module):
    """The same trunk, without a finite gradient at dark photos."""

    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, photos):
        dark = photos.mean(dim=(1, 2, 3), keepdim=True) < 0.25
        seen = photos.clone()
        if seen.requires_grad:
            seen.register_hook(lambda gradient: gradient.masked_fill(dark, torch.nan))
        return self.trunk(seen)


class Blind(nn.Module):
    """The same trunk without a gradient."""

    def __init__(self, trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, photos):
        return self.trunk(photos).detach()


def with_trunk(surrogate, kind):
    encoder = surrogate.encoder
    other = Encoder("other", kind(encoder.trunk), encoder.head, encoder.dim, encoder.outputs)
    return replace(surrogate, encoder=other)


@pytest.fixture(autouse=True)
def small_gist(monkeypatch):
    """What takes most of the time of `joint`, and says nothing about conformance at its real size."""
    with torch.device("cpu"):
        small = GIST(size=16)
    monkeypatch.setattr(joint, "_gist", lambda: small)


def may_rest(method):
    """Small smooth photos have no keypoints, which is all that keypoint methods change."""
    return method in KEYPOINT_METHODS


def levels(photos, originals):
    """The change in grey levels."""
    return 255 * (photos - originals)


def test_methods_are_listed_under_their_own_names_with_what_a_person_wants_to_know():
    for name, method in METHODS.items():
        assert method.name == name
        assert method.summary
        assert method.paper
        assert method.departures
        assert method.accepts <= {"descriptor", "logits"}
        assert method.accepts
        assert method.needs <= {"gradients", "sample", "labels", "target"}
        assert 0 < method.budget <= 255
        assert (method.steps > 0) == ("gradients" in method.needs)
        assert json.loads(json.dumps(defaults(method)))["steps"] == method.steps


@each_method
@pytest.mark.parametrize("ball", [None, LInf(2), LInf(2.5), L2(3)], ids=["default", "2", "2.5", "L2"])
def test_results_are_photos_on_the_grid_in_the_ball(method, outputs, ball, photos, surrogates, protect):
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
    if not may_rest(method):
        assert (change.abs().amax(dim=(1, 2, 3)) >= 0.5).all()  # each photo is another than it was
    assert found.losses.shape == found.steps.shape == found.done.shape == (2,)
    assert (found.steps <= STEPS).all()


@each_method
def test_the_same_seeds_give_the_same_photos_and_inputs_stay_as_they_were(method, outputs, photos, surrogates, protect):
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
def test_batch_mates_do_not_influence_each_other(method, outputs, photos, surrogates, protect):
    together = protect(method, photos, surrogates[outputs]).photos
    for row in range(2):
        one = slice(row, row + 1)
        alone = protect(method, photos[one], surrogates[outputs], seeds=SEEDS[one], rows=[row]).photos
        away = levels(alone[0], together[row]).abs()
        # Convolutions of one and of two photos may round differently, and a sign step magnifies it.
        assert (away > 0.5).float().mean() < 0.005


@each_gradient_method
def test_what_is_meant_to_be_small_becomes_smaller_and_beats_noise(
    method, outputs, photos, surrogates, protect, monkeypatch
):
    module, given = sys.modules[type(method).__module__], []

    def spy(photos, surrogates, objectives, run, **rest):
        given.append(objectives[0])
        return descend(photos, surrogates, objectives, run, **rest)

    descend = module.descend
    monkeypatch.setattr(module, "descend", spy)
    surrogate, ball = surrogates[outputs], LInf(method.budget)
    found = protect(method, photos, surrogate, ball, max(20, min(method.steps, 300)))
    signs = (ball.random_start(photos, SEEDS) - photos).sign()
    noise = ball.to_grid(ball.project(photos + signs * method.budget / 255, photos), photos)
    before, random, after = (given[0](surrogate.encoder(each), 1.0) for each in (photos, noise, found.photos))
    if may_rest(method):
        assert (after <= before).all(), (before, after)
        return
    assert (after < before).all(), (before, after)
    nothing = after.abs() < 0.01 * before.abs()  # curves with a flat tail
    assert ((after < random) | nothing).all(), (random, after)


@each_method
def test_two_encoders_at_once(method, outputs, photos, surrogates, protect):
    surrogate = surrogates[outputs]
    pair = [surrogate, replace(surrogate, sample=surrogate.sample[:30], labels=surrogate.labels[:30])]
    found = protect(method, photos, pair).photos
    assert levels(found, photos).abs().max() <= method.budget + 1e-3
    assert may_rest(method) or not torch.equal(found, photos)


@each_method
def test_no_steps_are_allowed(method, outputs, photos, surrogates, protect):
    found = protect(method, photos, surrogates[outputs], steps=0)
    assert found.steps.tolist() == [0, 0]
    assert levels(found.photos, photos).abs().max() <= method.budget + 1e-3


@each_method
@pytest.mark.parametrize("ball", [LInf(0), L2(0)], ids=["LInf", "L2"])
def test_a_budget_of_0_returns_the_photo_unchanged(method, outputs, ball, photos, surrogates, protect):
    assert torch.equal(protect(method, photos, surrogates[outputs], ball).photos, photos)


@each_gradient_method
def test_a_photo_whose_gradient_breaks_is_left_and_the_others_go_on(method, outputs, photos, surrogates, protect):
    first = torch.stack([(photos[0] * 0.2 * 255).round() / 255, photos[1]])
    found = protect(method, first, with_trunk(surrogates[outputs], Fragile))
    assert found.broken.tolist() == [True, False]
    assert found.steps[0] == 0
    assert found.photos.isfinite().all()
    assert levels(found.photos, first)[1].abs().amax() >= 0.5 or found.done[1] or may_rest(method)


@each_method
def test_every_tensor_is_made_where_the_photos_are(method, outputs, photos, surrogates, protect):
    """A tensor that is made on no device in particular would be one on "meta" here, and fit no other."""
    with torch.device("meta"):
        found = protect(method, photos, surrogates[outputs])
    for part in (found.photos, found.losses, found.steps, found.done, found.broken):
        assert part.device.type == "cpu"


class Questions(TorchDispatchMode):
    """Counts what makes the host wait for a GPU: operations whose answer Python must know."""

    asked = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        waits = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique")
        self.asked += any(name in function.name() for name in waits)
        return function(*arguments, **(options or {}))


@each_gradient_method
def test_no_step_waits_for_the_device(method, outputs, photos, surrogates, protect, monkeypatch):
    monkeypatch.setattr(optimise, "check_interval", lambda _device: 100)
    asked = []
    for steps in (3, 9):
        with Questions() as questions:
            protect(method, photos, surrogates[outputs], steps=steps)
        asked.append(questions.asked)
    assert asked[0] == asked[1]


@each_gradient_method
def test_the_way_of_each_photo_is_recorded_when_asked_for(method, outputs, photos, surrogates, protect):
    trace, surrogate = Trace(), surrogates[outputs]
    without, found = (protect(method, photos, surrogate, trace=each) for each in (None, trace))
    assert torch.equal(without.photos, found.photos)
    curves = trace.curves(surrogate.encoder.name)
    rows = curves.loss.shape[0]
    assert curves.loss.shape == curves.own.shape == curves.nearest.shape == curves.mean.shape == (rows, 2)
    assert rows == found.steps.max() + 1
    assert curves.loss[0].isfinite().all()
    assert (curves.nearest[0] <= curves.own[0]).all()
    assert (curves.nearest[0] <= curves.mean[0]).all()


@each_method
def test_what_a_method_needs_and_does_not_get_is_named(method, outputs, photos, surrogates, protect):
    surrogate = surrogates[outputs]
    lacking = {
        "sample": {"surrogate": replace(surrogate, sample=None)},
        "labels": {"surrogate": surrogate, "labels": None},
        "target": {"surrogate": surrogate, "targets": None},
    }
    for need, given in lacking.items():
        if need not in method.needs:
            protect(method, photos, steps=1, **given)
            continue
        with pytest.raises(MethodError, match=f"{method.name} needs .*--{need.removesuffix('s')}"):
            protect(method, photos, **given)


@each_gradient_method
def test_an_encoder_without_gradients_is_named(method, outputs, photos, surrogates, protect):
    with pytest.raises(GradientError, match="other passes no gradient: choose another --encoder"):
        protect(method, photos, with_trunk(surrogates[outputs], Blind))


WRONG = [
    pytest.param(method, outputs, id=f"{name}-{outputs}")
    for name, method in RUN.items()
    for outputs in sorted({"descriptor", "logits"} - method.accepts)
]


@pytest.mark.parametrize(("method", "outputs"), WRONG)
def test_encoders_of_another_kind_are_refused_by_name(method, outputs, photos, surrogates, protect):
    fitting = surrogates[next(iter(method.accepts))]
    with pytest.raises(MethodError, match=surrogates[outputs].encoder.name):
        protect(method, photos, [fitting, surrogates[outputs]])


@pytest.mark.parametrize("method", [method for method in RUN.values() if "gradients" in method.needs])
def test_no_encoder_is_refused(method, photos, protect):
    with pytest.raises(MethodError, match="at least one encoder"):
        protect(method, photos, [])


@each_method
def test_missing_seeds_are_refused(method, outputs, photos, surrogates, protect):
    with pytest.raises(MethodError, match="each photo needs one seed: there are 3 for 2 photos"):
        protect(method, photos, surrogates[outputs], seeds=[1, 2, 3])
