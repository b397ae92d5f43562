"""What is vanish's own: the photo's neighbours, the smaller reach in flat places, and the iterate that is kept."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from recessive.balls import LInf
from recessive.codes import sign
from recessive.encoders import Encoder, Trunk
from recessive.protection.methods import METHODS, MethodError, Run, Surrogate, vanish
from recessive.protection.methods.vanish import SAFE, SoftCount, Vanish, neighbours, views
from recessive.quality import ssim
from recessive.transforms.transform import round_straight_through

BITS = 24
METHOD = Vanish()


class Chaotic(nn.Module):
    """logits = sin(1000 W x): a step of one level leads anywhere, so the last iterate is a random one."""

    def __init__(self):
        super().__init__()
        weights = torch.randn(192, BITS, generator=torch.Generator().manual_seed(0)) / 192**0.5
        self.register_buffer("weights", weights)

    def forward(self, photos):
        return torch.sin(1000 * photos.flatten(1) @ self.weights)


def scene(count=2, seed=0):
    coarse = torch.rand(count, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (48, 64), mode="bilinear")


def test_neighbours_are_the_photo_its_mirror_image_and_random_views():
    photos = scene()
    same, mirrored, *others = neighbours(photos, [0, 1], METHOD.neighbours)
    assert torch.equal(same, photos)
    assert torch.equal(mirrored[..., 0], photos[..., -1])
    assert len(others) == 22
    for first, second in pairwise(others):
        assert (first - second).abs().mean() > 0.01


def test_views_are_photos_and_depend_on_each_photos_seed_alone():
    photos = scene()
    together = views(photos, [7, 8], 4)[3]
    assert together.shape == (2, 3, 48, 48)
    assert 0 <= together.min() <= together.max() <= 1
    torch.testing.assert_close(views(photos[1:], [8], 4)[3], together[1:])
    assert not torch.allclose(views(photos[1:], [9], 4)[3], together[1:], atol=1e-2)
    assert views(photos, [2**63 - 1, 0], 1)[0].isfinite().all()


def test_views_show_the_same_motif():
    original, other = scene(1, seed=0), scene(1, seed=1)
    small = torch.nn.functional.interpolate(original, (48, 48), mode="bilinear", antialias=True)
    unlike = torch.nn.functional.interpolate(other, (48, 48), mode="bilinear", antialias=True)
    seen = torch.cat([views(original, [seed], 1)[0] for seed in range(60)])
    mean = seen.mean(dim=0, keepdim=True)

    def correlation(first, second):
        return torch.corrcoef(torch.stack([first.mean(dim=(2, 3)).flatten(), second.mean(dim=(2, 3)).flatten()]))[0, 1]

    assert correlation(mean, small) > correlation(mean, unlike)


def test_a_floor_of_ssim_is_held(draw_photos):
    photos = draw_photos(2, 32, 32, 0)
    torch.manual_seed(0)
    encoder = Encoder("linear", nn.Flatten(), nn.Linear(3 * 32 * 32, BITS), BITS, "logits")
    sample = sign(torch.randn(60, BITS, generator=torch.Generator().manual_seed(1)))
    run = Run(LInf(64), 30, range(2), saving=lambda given: round_straight_through(given * 255) / 255)
    found = METHODS["vanish"](photos, [Surrogate(encoder.requires_grad_(False), sample, 3)], run)
    free = LInf(64).project(photos + 64 / 255 * torch.randn(photos.shape).sign(), photos)
    assert ssim(free, photos).max() < 0.8
    assert ssim(found.photos, photos).min() > 0.85


def test_the_iterate_with_the_smallest_loss_is_kept(draw_photos):
    photos = draw_photos(16, 8, 8, 6)
    encoder = Encoder("chaotic", Trunk(nn.Identity(), 8), Chaotic(), BITS, "logits")
    sample = sign(torch.randn(60, BITS, generator=torch.Generator().manual_seed(1)))
    own = torch.stack([sign(encoder(view)) for view in neighbours(photos, range(16), METHOD.neighbours)], dim=1)
    loss = SoftCount(sample, own, 11, METHOD.code_temperature, METHOD.own_weight, "logits")
    run = Run(LInf(8), 6, range(16), saving=lambda given: round_straight_through(given * 255) / 255)
    found = METHODS["vanish"](photos, [Surrogate(encoder, sample, 11)], run)
    before, after = loss(encoder(photos), 0.0), loss(encoder(found.photos), 1.0)
    assert (after <= before).all()
    assert (after < before).sum() > 8
    torch.testing.assert_close(found.losses, after)


def test_a_photo_that_is_safe_takes_no_further_step(draw_photos):
    """Nobody of the sample is near, and few steps lead away from the photo's own neighbours."""
    photos = draw_photos(4, 16, 16, 3)
    torch.manual_seed(0)
    encoder = Encoder("linear", nn.Flatten(), nn.Linear(3 * 16 * 16, BITS), BITS, "logits").requires_grad_(False)
    with torch.no_grad():
        encoder.head.weight -= encoder.head.weight.mean(dim=1, keepdim=True)
    sample = torch.cat([sign(encoder(photos)), -sign(encoder(photos))])
    surrogate = Surrogate(encoder, sample, 0, torch.arange(8) % 4)
    found = METHODS["vanish"](photos, [surrogate], Run(LInf(64), 60, range(4), labels=torch.arange(4)))
    assert found.done.all()
    assert found.steps.max() < 59
    assert (found.losses <= -SAFE).all()


def test_where_labels_tell_the_photos_of_its_class_own_neighbours_weigh_one_photo_each(draw_photos, monkeypatch):
    photos, given = draw_photos(2, 16, 16, 3), []
    monkeypatch.setattr(vanish, "descend", lambda *arguments, **_: given.append(arguments[2][0]))
    encoder = Encoder("linear", nn.Flatten(), nn.Linear(3 * 16 * 16, BITS), BITS, "logits").requires_grad_(False)
    sample = sign(torch.randn(6, BITS, generator=torch.Generator().manual_seed(1)))
    unlabelled, labelled = Surrogate(encoder, sample, 3), Surrogate(encoder, sample, 3, torch.arange(6) % 2)
    for surrogate, labels in ((unlabelled, None), (labelled, None), (labelled, torch.arange(2))):
        METHODS["vanish"](photos, [surrogate], Run(LInf(8), 1, [0, 1], labels=labels))
    assert [objective.own_weight for objective in given] == [METHOD.own_weight, METHOD.own_weight, 1.0]
    temperatures = [METHOD.code_temperature] * 2 + [METHOD.labelled_temperature]
    assert [objective.temperature for objective in given] == temperatures


def test_a_threshold_is_asked_for(draw_photos):
    encoder = Encoder("linear", nn.Flatten(), nn.Linear(3 * 16 * 16, BITS), BITS, "logits")
    with pytest.raises(MethodError, match="vanish needs the distance within which a search with linear returns"):
        METHODS["vanish"](draw_photos(1, 16, 16, 3), [Surrogate(encoder, torch.ones(1, BITS))], Run(LInf(8), 1, [0]))
