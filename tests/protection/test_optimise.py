"""The loop on losses whose optimum is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from recessive import balls
from recessive.balls import LInf
from recessive.errors import kind_of
from recessive.protection import optimise, steps
from recessive.protection.optimise import Batched, Evaluation, GradientError, PerPhoto, minimise

LEVEL = 1 / 255


@dataclass(frozen=True)
class Linear:
    """w·x of each photo: its optimum in a ball is known."""

    weights: Tensor

    def __call__(self, photos, progress):
        del progress
        loss = (photos * self.weights).sum(dim=(1, 2, 3))
        return Evaluation(loss, loss.detach(), torch.zeros(len(photos), dtype=torch.bool))

    def of(self, rows):
        return Linear(self.weights[rows])


@dataclass(frozen=True)
class Quadratic:
    """||x − t||², done within half a grey level of t; keeps what it was asked."""

    targets: Tensor
    asked: list = field(default_factory=list)

    def __call__(self, photos, progress):
        self.asked.append((photos.detach().clone(), progress))
        away = photos - self.targets
        loss = away.square().sum(dim=(1, 2, 3))
        done = away.detach().abs().amax(dim=(1, 2, 3)) < LEVEL / 2
        return Evaluation(loss, loss.detach(), done)

    def of(self, rows):
        return Quadratic(self.targets[rows], self.asked)


def photos_and_weights(low=0.0, high=1.0):
    generator = torch.Generator().manual_seed(3)
    photos = low + (high - low) * torch.rand(3, 3, 5, 4, generator=generator)
    return photos, torch.randn(3, 3, 5, 4, generator=generator)


def grey(levels, shape=(3, 2, 2)):
    """One even photo for each grey level."""
    return torch.tensor(levels, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, *shape) / 255


def test_in_a_cube_the_optimum_of_a_linear_loss_is_the_corner_cut_by_the_box():
    photos, weights = photos_and_weights()
    found = minimise(Linear(weights), photos, step=steps.Sign(1.5), ball=LInf(8), steps=6)
    corner = (photos - 8 * LEVEL * weights.sign()).clamp(0, 1)
    torch.testing.assert_close(found.photos, corner)
    torch.testing.assert_close(found.losses, (corner * weights).sum(dim=(1, 2, 3)))
    assert found.steps.tolist() == [6, 6, 6]
    assert not found.done.any()


def test_in_a_sphere_the_optimum_of_a_linear_loss_lies_against_the_weights():
    photos, weights = photos_and_weights(0.4, 0.6)
    found = minimise(Linear(weights), photos, step=steps.L2(3), ball=balls.L2(8), steps=6)
    rms = weights.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    torch.testing.assert_close(found.photos, photos - 8 * LEVEL * weights / rms)


def test_inside_the_ball_a_quadratic_loss_is_walked_to_its_target():
    photos, change = photos_and_weights(0.4, 0.6)
    target = photos + 3 * LEVEL * change.tanh()
    step = steps.SGD(0.25 * 255, momentum=0.0)  # halves the way to the target
    found = minimise(Quadratic(target), photos, step=step, ball=LInf(8), steps=20)
    assert found.done.all()
    assert ((found.photos - target).abs() < LEVEL / 2).all()


def test_done_photos_leave_the_batch_and_keep_still():
    loss = Quadratic(grey([101, 103, 140]))
    found = minimise(loss, grey([100, 100, 100]), step=steps.Sign(1), ball=LInf(50), steps=10)
    assert found.steps.tolist() == [1, 3, 10]
    assert found.done.tolist() == [True, True, False]
    torch.testing.assert_close(found.photos, grey([101, 103, 110]))
    torch.testing.assert_close(found.losses, torch.tensor([0.0, 0.0, 12 * (30 * LEVEL) ** 2]), rtol=1e-4, atol=1e-9)
    # 0 and 1 start, 1 finds the first done, 3 the second; the last call is the evaluation after ten steps
    assert [len(photos) for photos, _ in loss.asked] == [3, 3, 2, 2] + [1] * 7


def test_a_photo_done_at_once_takes_no_step():
    found = minimise(Quadratic(grey([7])), grey([7]), step=steps.Sign(1), ball=LInf(8), steps=5)
    assert found.steps.tolist() == [0]
    assert found.done.all()
    assert torch.equal(found.photos, grey([7]))


STEPS = [
    steps.Sign(1.0),
    steps.MomentumSign(2.0),
    steps.L2(1.0),
    steps.SGD(3.0),
    steps.Adam((0.002, 0.003, 0.004)),
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_batch_mates_that_retire_change_nothing(step):
    photos, change = photos_and_weights(0.4, 0.6)
    reach = torch.tensor([1.0, 20.0, 4.0]).view(3, 1, 1, 1)
    targets = photos + LEVEL * reach * change.sign()
    targets[1, :, 0] = photos[1, :, 0]

    def run(rows):
        return minimise(Quadratic(targets[rows]), photos[rows], step=step, ball=LInf(8), steps=12)

    together = run(torch.arange(3))
    for row in range(3):
        alone = run(torch.tensor([row]))
        torch.testing.assert_close(alone.photos[0], together.photos[row], rtol=1e-6, atol=0)
        assert alone.steps[0] == together.steps[row]
        assert alone.done[0] == together.done[row]


def test_every_iterate_is_evaluated_and_the_last_without_a_step():
    loss = Quadratic(grey([200]))
    found = minimise(loss, grey([100]), step=steps.Sign(1), ball=LInf(8), steps=4)
    assert [progress for _, progress in loss.asked] == [0, 0.25, 0.5, 0.75, 1.0]
    torch.testing.assert_close([photos for photos, _ in loss.asked], [grey([100 + i]) for i in range(5)])
    assert torch.equal(loss.asked[-1][0], found.photos)
    torch.testing.assert_close(found.losses, torch.tensor([12 * (96 * LEVEL) ** 2]))


def test_a_photo_that_arrives_with_its_last_step_is_done():
    found = minimise(Quadratic(grey([103])), grey([100]), step=steps.Sign(1), ball=LInf(8), steps=3)
    assert found.done.all()
    assert found.steps.tolist() == [3]


def test_no_steps_evaluate_the_photos_as_they_are():
    loss = Quadratic(grey([90, 100]))
    found = minimise(loss, grey([100, 100]), step=steps.Sign(1), ball=LInf(8), steps=0)
    assert torch.equal(found.photos, grey([100, 100]))
    assert found.steps.tolist() == [0, 0]
    assert found.done.tolist() == [False, True]
    assert len(loss.asked) == 1
    assert found.losses[0] > 0


def test_the_walk_starts_where_it_is_told_and_the_ball_stays_around_the_originals():
    start = grey([105])
    found = minimise(
        Linear(-torch.ones(1, 3, 2, 2)), grey([100]), step=steps.Sign(1), ball=LInf(8), steps=9, start=start
    )
    torch.testing.assert_close(found.photos, grey([108]))
    assert torch.equal(start, grey([105]))


def test_originals_stay_as_they_were():
    photos, weights = photos_and_weights()
    kept = photos.clone()
    minimise(Linear(weights), photos, step=steps.Sign(1), ball=LInf(8), steps=2)
    assert torch.equal(photos, kept)
    assert not photos.requires_grad


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_stops_that_photo_and_no_other(wrong):
    photos, weights = photos_and_weights()
    healthy = minimise(Linear(weights), photos, step=steps.Sign(1), ball=LInf(8), steps=3)
    weights[1, 0, 0, 0] = wrong
    found = minimise(Linear(weights), photos, step=steps.Sign(1), ball=LInf(8), steps=3)
    assert found.broken.tolist() == [False, True, False]
    assert found.steps.tolist() == [3, 0, 3]
    assert not found.done.any()
    assert torch.equal(found.photos[1], photos[1])
    assert torch.equal(found.photos[[0, 2]], healthy.photos[[0, 2]])
    assert not healthy.broken.any()


def test_a_photo_whose_gradient_breaks_on_the_way_keeps_its_last_iterate():
    @dataclass(frozen=True)
    class Breaks(Linear):
        def __call__(self, photos, progress):
            evaluation = super().__call__(photos, progress)
            return Evaluation(
                evaluation.loss * (torch.inf if progress >= 0.5 else 1), evaluation.score, evaluation.done
            )

        def of(self, rows):
            return Breaks(self.weights[rows])

    photos = grey([100, 120])
    found = minimise(Breaks(torch.ones(2, 3, 2, 2)), photos, step=steps.Sign(1), ball=LInf(8), steps=4)
    assert found.broken.all()
    assert found.steps.tolist() == [2, 2]
    torch.testing.assert_close(found.photos, grey([98, 118]))


def test_a_loss_without_a_gradient_is_refused():
    @dataclass(frozen=True)
    class Hard(Linear):
        def __call__(self, photos, progress):
            return super().__call__(photos.detach(), progress)

    with pytest.raises(GradientError, match="no gradient"):
        minimise(Hard(torch.ones(1, 3, 2, 2)), grey([9]), step=steps.Sign(1), ball=LInf(8), steps=1)


def test_a_gpu_asks_seldom_who_is_done_and_finds_the_same(monkeypatch):
    """The rhythm of a GPU, on a CPU: photos that are done are held still until they leave."""
    loss, photos = Quadratic(grey([101, 103, 140])), grey([100, 100, 100])
    at_once = minimise(loss, photos, step=steps.Sign(1), ball=LInf(50), steps=10)
    loss.asked.clear()
    monkeypatch.setattr(optimise, "check_interval", lambda _device: 4)
    seldom = minimise(loss, photos, step=steps.Sign(1), ball=LInf(50), steps=10)
    for name in ("photos", "losses", "steps", "done", "broken"):
        torch.testing.assert_close(getattr(seldom, name), getattr(at_once, name), rtol=0, atol=0)
    assert [len(photos) for photos, _ in loss.asked] == [3, 3, 3, 3, 3] + [1] * 6  # asked before steps 1, 5 and 9


def test_negative_steps_are_refused():
    with pytest.raises(ValueError, match="-1"):
        minimise(Linear(torch.ones(1, 3, 2, 2)), grey([0]), step=steps.Sign(1), ball=LInf(8), steps=-1)


@dataclass(frozen=True)
class Held(Batched):
    shared: torch.Tensor
    values: PerPhoto[torch.Tensor]
    seeds: PerPhoto[Sequence[int]]
    parts: PerPhoto[Sequence[Batched]]
    part: PerPhoto[Batched]
    rows: PerPhoto[torch.Tensor | None] = None


@dataclass(frozen=True)
class Part(Batched):
    values: PerPhoto[torch.Tensor]


@dataclass(frozen=True)
class Shared(Batched):
    values: torch.Tensor


def test_what_is_held_per_photo_is_restricted_and_the_rest_is_shared():
    shared, numbers = torch.arange(4), torch.arange(4)
    inner = Part(10 * numbers)
    some = Held(shared, numbers, range(4), [inner, inner], inner).of(torch.tensor([3, 1]))
    assert some.shared is shared
    assert some.values.tolist() == some.seeds == some.rows.tolist() == [3, 1]
    assert [part.values.tolist() for part in (*some.parts, some.part)] == [[30, 10]] * 3
    last = some.of(torch.tensor([1]))
    assert last.values.tolist() == last.seeds == last.rows.tolist() == [1]
    whole = Shared(numbers)
    assert whole.of(torch.tensor([2])) is whole


def test_a_missing_gradient_is_a_request_that_cannot_be_met():
    assert kind_of(GradientError("no gradient")) == "request"
    assert isinstance(GradientError("no gradient"), ValueError)
