"""What is joint's own: that each family of searches loses the photo, what stops asking, and what it measures by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from recessive.balls import LInf
from recessive.encoders import CEDD, GIST, SIFT, descriptor_sample, soft_cedd
from recessive.galleries import euclidean_distances, tanimoto_distances
from recessive.protection.methods import Joint, MethodError, Run, Surrogate, joint, vanish
from recessive.protection.methods.joint import GlobalDrift, LocalDrift, UntilSafe, euclidean, soft_cedd_levels, tanimoto
from recessive.protection.optimise import KeepSimilar
from recessive.protection.steps import L2
from recessive.quality import coarse_ssim, ssim
from recessive.transforms.transform import round_straight_through

SEEDS = [1]
METHOD = Joint()


@pytest.fixture(scope="module")
def photos(draw_photos):
    """A photo of large shapes and of random detail from 4 to 16 pixels, on the 8-bit grid."""
    generator, detail = np.random.default_rng(1), np.zeros((48, 64, 3), np.float32)
    for side in (4, 8, 16):
        coarse = generator.random((48 // side, 64 // side, 3), dtype=np.float32)
        detail += side * cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_CUBIC)
    detail = torch.from_numpy((detail - detail.min()) / np.ptp(detail)).permute(2, 0, 1)
    return (255 * (0.6 * draw_photos(1, 48, 64, 1) + 0.4 * detail)).round() / 255


@pytest.fixture
def small_gist(monkeypatch):
    """Joint with a GIST of a small photo: a tenth of the time, where that does not matter."""
    gist = GIST(size=16)
    monkeypatch.setattr(joint, "_gist", lambda: gist)
    return gist


def protected(photos, surrogates, steps, seeds=SEEDS, budget=32, method=METHOD):
    run = Run(LInf(budget), steps, seeds, saving=lambda given: round_straight_through(given * 255) / 255)
    return method(photos, surrogates, run)


def as_noise(photos, changed):
    """Noise as strong as the change."""
    strength = (changed - photos).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    draw = torch.randn(photos.shape, generator=torch.Generator().manual_seed(0))
    return (255 * (photos + strength * draw).clamp(0, 1)).round() / 255


def keypoints_of(photos):
    return [torch.from_numpy(SIFT().features(photo).keypoints) for photo in photos]


def families(photos, surrogates, gist):
    """What each family of searches makes of photos: a function to (N,), larger where the photo is more exposed."""
    counts = METHOD.soft_counts(photos, surrogates, Run(LInf(32), 1, SEEDS))

    def neural(number):
        return lambda x: counts[number](surrogates[number].encoder(x), 1.0)

    def away(describe, distances, name):
        drift = GlobalDrift.of_views(describe, distances, descriptor_sample(name), [photos], 0.1)
        return lambda x: drift(x, 1.0).loss

    local = LocalDrift.of_originals(photos, keypoints_of(photos), 0.0)
    return {
        **{f"neural {number}": neural(number) for number in range(len(surrogates))},
        "local": lambda x: local(x, 1.0).loss,
        "gist": away(gist, euclidean_distances, "gist"),
        "cedd": away(CEDD(), tanimoto_distances, "cedd"),
    }


@torch.no_grad()
def test_each_family_loses_the_photo_more_than_to_noise_as_strong(photos, surrogates):
    assert len(keypoints_of(photos)[0]) > 3
    both = [surrogates["descriptor"], surrogates["logits"]]
    with torch.enable_grad():
        found = protected(photos, both, 40)
    assert found.steps.tolist() == [40]
    assert not found.broken.any()
    assert (found.photos - photos).abs().max() <= 32.01 / 255
    noise = as_noise(photos, found.photos)
    for name, exposure in families(photos, both, GIST()).items():
        before, random, after = (exposure(x).item() for x in (photos, noise, found.photos))
        assert after < min(before, random), name
    assert coarse_ssim(found.photos, photos).item() > METHOD.ssim_floor - 0.02
    assert ssim(found.photos, photos).item() > METHOD.ssim_floor - 0.1
    free = (photos + 32 / 255 * (noise - photos).sign()).clamp(0, 1)
    assert ssim(free, photos).item() < METHOD.ssim_floor - 0.2


@pytest.mark.parametrize(
    ("weight", "family"),
    [("neural_weight", "neural 0"), ("local_weight", "local"), ("gist_weight", "gist"), ("cedd_weight", "cedd")],
)
def test_each_family_falls_because_it_is_asked_for(weight, family, photos, surrogates, small_gist):
    exposure = families(photos, [surrogates["descriptor"]], small_gist)[family]
    losses = []
    for factor in (0, 30):  # so that the others do not decide
        weighted = replace(METHOD, **{weight: factor * getattr(METHOD, weight)})
        found = protected(photos, [surrogates["descriptor"]], 8, method=weighted)
        with torch.no_grad():
            losses.append(exposure(found.photos).item())
    assert losses[1] < losses[0]


def test_without_a_price_of_similarity_photos_change_more(photos, surrogates, small_gist):
    del small_gist
    kept = protected(photos, [surrogates["descriptor"]], 8).photos
    free = protected(photos, [surrogates["descriptor"]], 8, method=replace(METHOD, ssim_weight=0.0)).photos
    assert coarse_ssim(free, photos).item() < coarse_ssim(kept, photos).item() - 0.03


def test_networks_that_are_safe_ask_for_nothing_more(photos, surrogates, small_gist):
    del small_gist
    nobody = replace(surrogates["descriptor"], threshold=-5.0)  # a cosine distance that no photo has
    asked = protected(photos, [nobody], 4).photos
    without = replace(METHOD, neural_weight=0.0)
    assert torch.equal(protected(photos, [nobody], 4, method=without).photos, asked)
    exposed = protected(photos, [surrogates["descriptor"]], 4, method=without).photos
    assert not torch.equal(protected(photos, [surrogates["descriptor"]], 4).photos, exposed)


def test_it_begins_with_keypoints_removed(photos, surrogates, small_gist):
    del small_gist
    begun = protected(photos, [surrogates["descriptor"]], 0).photos
    assert (begun - photos).abs().max() <= 32.01 / 255
    noisy = (255 * photos + torch.randn(photos.shape, generator=torch.Generator().manual_seed(0))).round() / 255
    before, by_noise, after = (len(keypoints_of(each)[0]) for each in (photos, noisy, begun))
    assert after < 0.7 * min(before, by_noise)


@dataclass(frozen=True)
class Scaled:
    """loss = a_n · outputs_n + progress."""

    weights: Tensor

    def __call__(self, outputs, progress):
        return self.weights * outputs[:, 0] + progress

    def score(self, outputs):
        return self(outputs, 0.0)

    def of(self, rows):
        return Scaled(self.weights[rows])


@dataclass(frozen=True)
class Recorded:
    """A loss that is watched."""

    loss: KeepSimilar
    seen: list

    def __call__(self, photos, progress):
        evaluation = self.loss(photos, progress)
        self.seen.append(evaluation.loss.detach())
        return evaluation

    def of(self, rows):
        return replace(self, loss=self.loss.of(rows))


def test_the_iterate_with_the_smallest_loss_is_kept(draw_photos, surrogates, small_gist, monkeypatch):
    del small_gist
    seen = []
    monkeypatch.setattr(joint, "KeepSimilar", lambda *given: Recorded(KeepSimilar(*given), seen))
    monkeypatch.setattr(vanish, "L2", lambda size, momentum: L2(-size, momentum))  # uphill: the last is not the best
    found = protected(draw_photos(3, 24, 32, 0), [surrogates["descriptor"]], 4, seeds=[1, 2, 3])
    losses = torch.stack(seen)
    assert losses.shape == (5, 3)
    torch.testing.assert_close(found.losses, losses.amin(dim=0))
    assert (losses[-1] > losses.amin(dim=0)).all()


def test_photos_are_compared_as_galleries_compare_them(photos):
    _, gist, cedd = METHOD._drifts(photos, Run(LInf(32), 1, SEEDS))
    for drift, measure, name in ((gist, euclidean_distances, "gist"), (cedd, tanimoto_distances, "cedd")):
        describe = {"gist": GIST(), "cedd": soft_cedd_levels}[name]
        torch.testing.assert_close(drift.own[:, 0], describe(photos))
        torch.testing.assert_close(drift.own[:, 1], describe(photos.flip(-1)))
        torch.testing.assert_close(drift.scale, measure(describe(photos), descriptor_sample(name)).mean(dim=1))
        assert torch.equal(drift.sample, descriptor_sample(name))


def test_until_safe_goes_no_lower_than_the_margin():
    objective = UntilSafe(Scaled(torch.tensor([1.0, 2.0, 1.0])), 3.0)
    outputs = torch.tensor([[-2.0], [-2.0], [5.0]], requires_grad=True)
    loss = objective(outputs, 0.5)
    assert loss.tolist() == [-1.5, -3.0, 5.5]
    assert torch.autograd.grad(loss.sum(), outputs)[0].flatten().tolist() == [1, 0, 1]
    assert objective.score(outputs).tolist() == [-1, -3, 6]
    some = objective.of(torch.tensor([1, 0]))
    assert some(torch.full((2, 1), -1.25), 0.0).tolist() == [-2.5, -1.25]
    assert some(torch.full((2, 1), -5.0), 0.0).tolist() == [-3, -3]


def test_photos_without_keypoints_are_hidden_from_the_others(surrogates, small_gist):
    even = torch.full((3, 48, 64), 128 / 255)
    rising = (torch.arange(64.0) * 3).round().expand(3, 48, 64) / 255
    originals = torch.stack([even, rising])
    assert [len(places) for places in keypoints_of(originals)] == [0, 0]
    found = protected(originals, [surrogates["descriptor"]], 4, seeds=[1, 2])
    assert not found.broken.any()
    assert found.steps.tolist() == [4, 4]
    assert found.losses.isfinite().all()
    assert ((found.photos - originals).abs().amax(dim=(1, 2, 3)) > 0.5 / 255).all()
    changed = GlobalDrift.of_views(small_gist, euclidean, descriptor_sample("gist"), [originals], 0.1)
    assert (changed(found.photos, 1.0).loss < changed(originals, 0.0).loss).all()


def test_euclidean_distances_are_those_of_galleries():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(count, 40, generator=generator) for count in (5, 7))
    found = euclidean(first, second)
    assert found.shape == (5, 7)
    torch.testing.assert_close(found, euclidean_distances(first, second))
    torch.testing.assert_close(euclidean(torch.tensor([[0.0, 3.0]]), torch.tensor([[4.0, 0.0]])), torch.tensor([[5.0]]))


def test_tanimoto_distances_are_those_of_galleries(draw_photos):
    levels = torch.randint(0, 8, (5, 144), generator=torch.Generator().manual_seed(0)).float()
    seen = CEDD()(draw_photos(4, 48, 64, 3))
    found = tanimoto(seen, levels)
    assert found.shape == (4, 5)
    torch.testing.assert_close(found, tanimoto_distances(seen, levels))
    torch.testing.assert_close(tanimoto(seen, seen), tanimoto_distances(seen, seen), rtol=0, atol=1e-5)
    assert found.max() - found.min() > 0.1
    # (½, ½) and (1, 0): ½ / (½ + 1 − ½)
    torch.testing.assert_close(tanimoto(torch.tensor([[3.0, 3.0]]), torch.tensor([[7.0, 0.0]])), torch.tensor([[0.5]]))


@pytest.mark.parametrize("distances", [euclidean, tanimoto])
def test_distances_have_finite_gradients_everywhere(distances):
    equal = torch.rand(2, 144, generator=torch.Generator().manual_seed(0))
    for first in (equal, torch.zeros(2, 144)):
        items = first.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(distances(items, equal).sum(), items)
        assert gradient.isfinite().all()


def test_soft_levels_of_a_photo_are_near_its_cedd(photos):
    soft = soft_cedd_levels(photos)
    assert soft.shape == (1, 144)
    assert 0 <= soft.min() <= soft.max() <= 7
    near = tanimoto_distances(soft, CEDD()(photos)).item()
    assert near < 0.35
    assert near < 0.5 * tanimoto_distances(descriptor_sample("cedd"), CEDD()(photos)).mean().item()
    assert near < tanimoto_distances(soft_cedd(photos), CEDD()(photos)).item()


def test_a_threshold_is_asked_for(photos, surrogates):
    surrogate = Surrogate(surrogates["logits"].encoder, surrogates["logits"].sample)
    with pytest.raises(MethodError, match="joint needs the distance within which a search with tiny-hash returns"):
        protected(photos, [surrogate], 1)
