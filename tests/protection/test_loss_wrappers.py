"""The wrappers around losses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from recessive.balls import LInf
from recessive.encoders import Encoder
from recessive.protection.optimise import (
    BestSoFar,
    Ensemble,
    Evaluation,
    KeepSimilar,
    OverTransforms,
    StopWhen,
    Together,
    WithProgress,
    minimise,
)
from recessive.protection.steps import Sign
from recessive.quality import coarse_ssim


class Counted(nn.Module):
    """A trunk that counts its calls: photos to their mean colours (N, 3)."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, photos):
        self.calls += 1
        return photos.mean(dim=(2, 3))


@dataclass(frozen=True)
class Weighted:
    """loss = a_n Σ outputs_n + progress, score = 10 a_n, for a weight a_n a photo."""

    weights: Tensor

    def __call__(self, outputs, progress):
        return self.weights * outputs.sum(1) + progress

    def score(self, outputs):
        return 10 * self.weights + 0 * outputs.sum(1)

    def of(self, rows):
        return Weighted(self.weights[rows])


@dataclass(frozen=True)
class Table:
    """Score and loss are read off the photos: of the first and of the second channel."""

    def __call__(self, photos, progress):
        del progress
        score, loss = photos[:, 0].mean(dim=(1, 2)), photos[:, 1].mean(dim=(1, 2))
        return Evaluation(loss, score.detach(), torch.zeros(len(photos), dtype=torch.bool))

    def of(self, rows):
        del rows
        return self


def told(*pairs):
    """Photos of which `Table` reads these (score, loss)."""
    return torch.tensor([[score, loss, 0.0] for score, loss in pairs]).view(-1, 3, 1, 1).expand(-1, 3, 2, 2).clone()


def two_encoders(first_trunk, second_trunk):
    twice = nn.Linear(3, 3, bias=False)
    twice.weight = nn.Parameter(2 * torch.eye(3), requires_grad=False)
    return [
        Encoder("plain", first_trunk, nn.Identity(), 3, "logits"),
        Encoder("twice", second_trunk, twice, 3, "logits"),
    ]


def test_an_ensemble_sums_losses_and_scores():
    photos = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    objectives = [Weighted(torch.tensor([1.0, 2.0])), Weighted(torch.tensor([3.0, 5.0]))]
    evaluation = Ensemble(two_encoders(Counted(), Counted()), objectives)(photos, 0.5)
    total = photos.mean(dim=(2, 3)).sum(1)
    torch.testing.assert_close(evaluation.loss, torch.tensor([1.0 + 2 * 3.0, 2.0 + 2 * 5.0]) * total + 2 * 0.5)
    torch.testing.assert_close(evaluation.score, torch.tensor([40.0, 70.0]))
    assert evaluation.done.tolist() == [False, False]


def test_a_shared_trunk_runs_once():
    shared, photos = Counted(), torch.rand(2, 3, 4, 4)
    objectives = [Weighted(torch.ones(2))] * 2
    Ensemble(two_encoders(shared, shared), objectives)(photos, 0.0)
    assert shared.calls == 1
    first, second = Counted(), Counted()
    Ensemble(two_encoders(first, second), objectives)(photos, 0.0)
    assert (first.calls, second.calls) == (1, 1)


def test_an_ensemble_of_some_photos_takes_their_objectives():
    ensemble = Ensemble(two_encoders(Counted(), Counted()), [Weighted(torch.tensor([1.0, 2.0, 4.0]))] * 2)
    some = ensemble.of(torch.tensor([2, 0]))
    torch.testing.assert_close(some(torch.zeros(2, 3, 1, 1), 0.0).score, torch.tensor([80.0, 20.0]))


def test_an_ensemble_needs_one_objective_an_encoder():
    ensemble = Ensemble(two_encoders(Counted(), Counted()), [Weighted(torch.ones(1))])
    with pytest.raises(ValueError, match="argument"):
        ensemble(torch.zeros(1, 3, 1, 1), 0.0)


def test_over_transforms_is_the_mean_and_done_only_if_done_under_each():
    stopped = StopWhen(Table(), lambda score: score < 0.5)
    loss = OverTransforms(stopped, [lambda photos: photos, lambda photos: photos / 2, lambda photos: 4 * photos])
    evaluation = loss(told((0.6, 0.3), (0.1, 0.9), (0.2, 0.9)), 0.0)
    torch.testing.assert_close(evaluation.loss, torch.tensor([0.3, 0.9, 0.9]) * 5.5 / 3)
    torch.testing.assert_close(evaluation.score, torch.tensor([0.6, 0.1, 0.2]) * 5.5 / 3)
    assert evaluation.done.tolist() == [False, True, False]  # ×4 brings the third to 0.8
    assert loss.of(torch.tensor([1]))(told((0.1, 0.9)), 0.0).done.tolist() == [True]


def test_stop_when_asks_the_score_and_keeps_what_was_done():
    inner = StopWhen(Table(), lambda score: score > 0.8)
    loss = StopWhen(inner, lambda score: score < 0.2)
    photos = told((0.1, 0.9), (0.5, 0.0), (0.9, 0.5))
    evaluation = loss(photos, 0.0)
    assert evaluation.done.tolist() == [True, False, True]
    assert loss.of(torch.tensor([1, 2]))(photos[1:], 0.0).done.tolist() == [False, True]
    torch.testing.assert_close(evaluation.loss, torch.tensor([0.9, 0.0, 0.5]))


def test_best_so_far_keeps_the_smallest_score_and_among_equals_the_smallest_loss():
    best = BestSoFar.before(Table(), torch.full((2, 3, 2, 2), 0.9))
    seen = [told((0.5, 0.5), (0.5, 0.5)), told((0.4, 0.9), (0.5, 0.4)), told((0.6, 0.1), (0.5, 0.45))]
    for photos in seen:
        best(photos, 0.0)
    torch.testing.assert_close(best.photos, torch.stack([seen[1][0], seen[1][1]]))


def test_best_so_far_passes_the_evaluation_on():
    photos = told((0.25, 0.5))
    evaluation = BestSoFar.before(Table(), photos)(photos, 0.0)
    assert (evaluation.score.item(), evaluation.loss.item(), evaluation.done.item()) == (0.25, 0.5, False)


def test_best_so_far_starts_with_the_originals():
    originals = told((0.1, 0.2))
    best = BestSoFar.before(Table(), originals)
    assert torch.equal(best.photos, originals)
    worse = told((0.9, 0.9))
    best(worse, 0.0)
    assert torch.equal(best.photos, worse)  # a photo that nobody has judged is no best
    assert torch.equal(originals, told((0.1, 0.2)))


def test_best_so_far_goes_on_for_those_that_remain():
    best = BestSoFar.before(Table(), told((0, 0), (0, 0), (0, 0)))
    best(told((0.5, 0.5), (0.5, 0.5), (0.5, 0.5)), 0.0)
    some = best.of(torch.tensor([0, 2]))
    some(told((0.4, 0.4), (0.6, 0.6)), 0.0)
    last = some.of(torch.tensor([1]))
    last(told((0.3, 0.3)), 0.0)
    torch.testing.assert_close(best.photos, told((0.4, 0.4), (0.5, 0.5), (0.3, 0.3)))
    assert last.photos is best.photos


def test_best_so_far_in_the_loop_keeps_an_early_iterate_and_that_of_a_retired_photo():
    # The score is the distance to a level that the walk (downhill in the second channel) passes, or stops at.
    @dataclass(frozen=True)
    class Passing:
        levels: Tensor

        def __call__(self, photos, progress):
            del progress
            now = photos[:, 1].mean(dim=(1, 2))
            score = (now * 255 - self.levels).abs().round().detach()
            return Evaluation(now, score, torch.zeros(len(photos), dtype=torch.bool))

        def of(self, rows):
            return Passing(self.levels[rows])

    originals = torch.full((2, 3, 2, 2), 100 / 255)
    best = BestSoFar.before(StopWhen(Passing(torch.tensor([97.0, 95.0])), lambda score: score > 5.5), originals)
    found = minimise(best, originals, step=Sign(1), ball=LInf(20), steps=20)
    torch.testing.assert_close((best.photos[:, 1, 0, 0] * 255).round(), torch.tensor([97.0, 95.0]))
    assert found.steps.tolist() == [9, 11]  # six levels past each


def test_telling_tells_of_each_step_and_passes_the_evaluation_on():
    heard = []
    photos = torch.rand(2, 3, 4, 4)
    same = minimise(Table(), photos, step=Sign(1.0), ball=LInf(8), steps=3)
    found = minimise(WithProgress(Table(), heard.append), photos, step=Sign(1.0), ball=LInf(8), steps=3)
    assert heard == [0, 1 / 3, 2 / 3, 1]
    assert torch.equal(found.photos, same.photos)
    assert torch.equal(found.losses, same.losses)


def test_telling_goes_on_for_those_that_remain():
    heard = []
    ensemble = Ensemble(two_encoders(Counted(), Counted()), [Weighted(torch.tensor([1.0, 2.0]))] * 2)
    rows, photos = torch.tensor([1]), torch.rand(2, 3, 2, 2)
    rest = WithProgress(ensemble, heard.append).of(rows)(photos[rows], 0.5)
    assert torch.equal(rest.loss, ensemble(photos, 0.5).loss[rows])
    assert heard == [0.5]


def test_keep_similar_costs_below_the_floor_and_nothing_above_it():
    originals = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    changed = torch.stack([originals[0], 1 - originals[1]])
    plain = Table()(changed, 0.0)
    kept = KeepSimilar(Table(), originals, 0.9, 10.0)
    wrapped = kept(changed, 0.0)
    cost = 10 * (0.9 - coarse_ssim(changed, originals)[1])
    assert cost > 5
    for before, after in ((plain.loss, wrapped.loss), (plain.score, wrapped.score)):
        torch.testing.assert_close(after, before + torch.stack([torch.tensor(0.0), cost]))
    alone = kept.of(torch.tensor([1]))(changed[1:], 0.0)
    torch.testing.assert_close(alone.loss, wrapped.loss[1:])


def test_together_is_the_weighted_sum_of_losses_and_of_scores():
    photos = told((0.5, 0.25), (1.0, 0.75))
    doubled = OverTransforms(Table(), [lambda x: 2 * x])
    found = Together([Table(), doubled, Table()], (3.0, 0.5, 0.0))(photos, 0.0)
    torch.testing.assert_close(found.loss, torch.tensor([0.25, 0.75]) * (3 + 0.5 * 2))
    torch.testing.assert_close(found.score, torch.tensor([0.5, 1.0]) * (3 + 0.5 * 2))
    assert found.done.tolist() == [False, False]


def test_together_passes_photos_progress_and_gradients_on():
    encoders = two_encoders(Counted(), Counted())
    parts = [Ensemble([encoder], [Weighted(torch.tensor([1.0, 2.0]))]) for encoder in encoders]
    photos = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = Together(parts, (10.0, 100.0))(photos, 0.5)
    total = photos.detach().mean(dim=(2, 3)).sum(1)
    torch.testing.assert_close(found.loss, torch.tensor([210.0, 420.0]) * total + 110 * 0.5)
    (gradient,) = torch.autograd.grad(found.loss.sum(), photos)
    torch.testing.assert_close(gradient, torch.tensor([210.0, 420.0]).view(2, 1, 1, 1).expand_as(photos) / 16)
    assert not found.score.requires_grad


def test_together_a_photo_is_done_when_every_loss_calls_it_so():
    low, little = StopWhen(Table(), lambda score: score < 0.5), StopWhen(Table(), lambda score: score < 0.2)
    photos = told((0.1, 0.9), (0.3, 0.9), (0.9, 0.9))
    assert Together([low, little], (1.0, 1.0))(photos, 0.0).done.tolist() == [True, False, False]
    assert Together([low, low], (1.0, 0.0))(photos, 0.0).done.tolist() == [True, True, False]
    assert Together([low, Table()], (1.0, 1.0))(photos, 0.0).done.tolist() == [False, False, False]


def test_together_of_some_photos_takes_theirs_of_each_loss():
    parts = [
        Ensemble([encoder], [Weighted(torch.tensor([1.0, 2.0, 4.0]))]) for encoder in two_encoders(Counted(), Counted())
    ]
    some = Together(parts, (1.0, 3.0)).of(torch.tensor([2, 0]))
    torch.testing.assert_close(some(torch.zeros(2, 3, 1, 1), 0.0).score, torch.tensor([160.0, 40.0]))


def test_together_needs_one_weight_a_loss():
    with pytest.raises(ValueError, match="argument"):
        Together([Table(), Table()], (1.0,))(told((0.5, 0.5)), 0.0)
