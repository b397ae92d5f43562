"""Away from local and global descriptors: values by hand, and what descending does to words and to distances."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from recessive.balls import LInf
from recessive.encoders import SIFT, Vocabulary, by_scale, describe_at
from recessive.protection.methods.joint import GlobalDrift, LocalDrift
from recessive.protection.optimise import minimise
from recessive.protection.steps import Sign


def textured(count=1, height=96, width=112, seed=0):
    """Photos of random detail from 4 to 16 pixels, on the 8-bit grid."""
    generator = np.random.default_rng(seed)
    photos = []
    for _ in range(count):
        photo = np.zeros((height, width, 3), np.float32)
        for side in (4, 8, 16):
            coarse = generator.random((height // side, width // side, 3), dtype=np.float32)
            photo += side * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        photos.append(np.rint(255 * (photo - photo.min()) / np.ptp(photo)) / 255)
    return torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)


def keypoints_of(photos):
    return [torch.from_numpy(SIFT().features(photo).keypoints) for photo in photos]


def noisy(photos, level, seed=0):
    draw = torch.randn(photos.shape, generator=torch.Generator().manual_seed(seed))
    return (photos + level / 255 * draw.sign()).clamp(0, 1)


def gradient_of(loss, photos):
    photos = photos.detach().requires_grad_()
    return torch.autograd.grad(loss(photos, 0.0).loss.sum(), photos)[0]


@pytest.mark.parametrize("enough", [0.0, 0.5, 0.9])
def test_local_drift_starts_at_1_less_what_is_enough_without_a_direction(enough):
    photos = textured(2)
    drift = LocalDrift.of_originals(photos, keypoints_of(photos), enough)
    found = drift(photos, 0.0)
    torch.testing.assert_close(found.loss, torch.full((2,), 1 - enough))
    torch.testing.assert_close(found.score, found.loss)
    assert found.done.tolist() == [False, False]
    here, beside = (gradient_of(drift, x).abs().amax(dim=(1, 2, 3)) for x in (photos, noisy(photos, 2)))
    assert (here < 0.01 * beside).all()


def test_local_drift_is_the_mean_cosine_beyond_what_is_enough():
    photos, others, enough = textured(2), textured(2, seed=1), 0.6
    keypoints = keypoints_of(photos)
    expected, among = [], []
    for photo, other, places in zip(photos, others, keypoints, strict=True):
        one, two = (describe_at(x[None], by_scale(places)).double() for x in (photo, other))
        cosines = (one * two).sum(dim=1)
        expected.append(sum(max(0.0, cosine - enough) for cosine in cosines.tolist()) / len(places))
        among.append((cosines < enough).float().mean())
    assert 0.05 < min(among) < max(among) < 0.95  # some are left alone
    found = LocalDrift.of_originals(photos, keypoints, enough)(others, 0.0)
    torch.testing.assert_close(found.loss, torch.tensor(expected))


def test_no_descriptor_asks_when_each_is_far_enough():
    photos, others = textured(), textured(seed=1)
    drift = LocalDrift.of_originals(photos, keypoints_of(photos), 0.99)
    assert drift(others, 0.0).loss.item() == 0
    assert not gradient_of(drift, others).any()


def test_a_photo_without_keypoints_has_no_local_loss_and_hinders_no_other():
    photos = torch.cat([textured(), torch.full((1, 3, 96, 112), 0.5)])
    keypoints = keypoints_of(photos)
    assert [len(places) > 0 for places in keypoints] == [True, False]
    drift = LocalDrift.of_originals(photos, keypoints, 0.5)
    moved = noisy(photos, 4)
    assert drift(moved, 0.0).loss[1].item() == 0
    gradient = gradient_of(drift, moved)
    assert gradient.isfinite().all()
    assert gradient[0].any()
    assert not gradient[1].any()


def test_local_drift_of_some_photos_takes_theirs():
    photos, others = textured(3), textured(3, seed=1)
    drift = LocalDrift.of_originals(photos, keypoints_of(photos), 0.3)
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(drift.of(rows)(others[rows], 0.0).loss, drift(others, 0.0).loss[rows])
    torch.testing.assert_close(drift.of(rows)(photos[rows], 0.0).loss, torch.full((2,), 0.7))
    last = drift.of(rows).of(torch.tensor([1]))
    torch.testing.assert_close(last(photos[:1], 0.0).loss, torch.tensor([0.7]))


def test_each_photo_has_keypoints():
    photos = textured(2)
    with pytest.raises(ValueError, match="argument"):
        LocalDrift.of_originals(photos, keypoints_of(photos)[:1], 0.5)


def test_descending_local_drift_changes_words_and_signatures_of_any_vocabulary():
    photos = textured(2)
    others = np.concatenate([SIFT().features(photo).descriptors for photo in textured(12, seed=1)])
    vocabulary = Vocabulary.train(others, 30)
    keypoints, ball = keypoints_of(photos), LInf(24)
    drift = LocalDrift.of_originals(photos, keypoints, 0.3)
    found = minimise(drift, photos, step=Sign(4), ball=ball, steps=16, start=noisy(photos, 1))
    assert (found.losses < 0.5).all()  # of 0.7

    def assigned(changed):
        given = [describe_at(photo[None], by_scale(k)) for photo, k in zip(changed, keypoints, strict=True)]
        return vocabulary.assign(torch.cat(given).numpy())

    before, by_chance, after = (assigned(x) for x in (photos, noisy(photos, 24), found.photos))
    assert (after.words != before.words).mean() > 0.6
    assert (by_chance.words != before.words).mean() < 0.3
    same = after.words == before.words
    bits = [bin(a ^ b).count("1") for a, b in zip(after.signatures.tolist(), before.signatures.tolist(), strict=True)]
    assert np.array(bits)[same].mean() > 16  # of 64, half of them by chance


def mean_colours(photos):
    return photos.mean(dim=(2, 3))


def plain(first, second):
    """Σ |x − y|."""
    return (first[:, None] - second).abs().sum(dim=2)


def of_colours(*colours):
    """Photos (N, 3, 2, 2) of these constant colours."""
    return torch.tensor(colours).view(-1, 3, 1, 1).expand(-1, -1, 2, 2).clone()


SAMPLE = torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.3, 0.3]])
ORIGINALS = of_colours((0.2, 0.2, 0.2), (0.5, 0.75, 1.0))
VIEWS = [ORIGINALS, of_colours((0.4, 0.2, 0.2), (0.5, 0.75, 0.5))]


def drift_by_hand(temperature=0.25):
    return GlobalDrift.of_views(mean_colours, plain, SAMPLE, VIEWS, temperature)


def test_the_scale_is_the_mean_distance_of_the_sample_from_the_original():
    drift = drift_by_hand()
    torch.testing.assert_close(drift.scale, torch.tensor([(0.6 + 0.3) / 2, (2.25 + 1.35) / 2]))
    torch.testing.assert_close(drift.own[:, 1], torch.tensor([[0.4, 0.2, 0.2], [0.5, 0.75, 0.5]]))
    assert drift.own.shape == (2, 2, 3)


def test_global_drift_by_hand():
    found = drift_by_hand(0.25)(of_colours((0.1, 0.2, 0.2), (0.5, 0.75, 1.0)), 0.0)

    def softplus(x):
        return 0.25 * math.log1p(math.exp(x / 0.25))

    # the first: 0.5 and 0.4 from the sample, 0.1 and 0.3 from its own; the second: 2.25 and 1.35, 0 and 0.5
    expected = [
        (softplus((0.5 - 0.2) / 0.45) + softplus((0.4 - 0.2) / 0.45)) / 2,
        (softplus((2.25 - 0.25) / 1.8) + softplus((1.35 - 0.25) / 1.8)) / 2,
    ]
    torch.testing.assert_close(found.loss, torch.tensor(expected))
    torch.testing.assert_close(found.score, found.loss)
    assert found.done.tolist() == [False, False]


def test_cold_it_is_how_far_the_sample_is_behind():
    found = drift_by_hand(1e-4)(of_colours((0.0, 0.0, 0.0), (0.5, 0.75, 1.0)), 0.0).loss
    # Of the first photo, now black, the sample's black photo is before its own neighbours, and asks no more.
    expected = torch.tensor([(0.9 - 0.7) / 0.45 / 2, (2 + 1.1) / 1.8 / 2])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_originals_pass_no_gradient_and_neither_do_scores():
    photos, colours = textured().requires_grad_(), ORIGINALS.clone().requires_grad_()
    local = LocalDrift.of_originals(photos, keypoints_of(photos), 0.5)
    spread = GlobalDrift.of_views(mean_colours, plain, SAMPLE, [colours], 0.25)
    assert not any(kept.requires_grad for kept in (*local.descriptors, spread.own, spread.scale))
    for drift, given in ((local, photos), (spread, colours)):
        found = drift(given, 0.0)
        assert found.loss.requires_grad
        assert not found.score.requires_grad


def test_distances_are_measured_by_the_scale():
    double = GlobalDrift.of_views(lambda x: 2 * mean_colours(x), plain, 2 * SAMPLE, VIEWS, 0.25)
    moved = noisy(ORIGINALS, 20)
    torch.testing.assert_close(double.scale, 2 * drift_by_hand().scale)
    torch.testing.assert_close(double(moved, 0.0).loss, drift_by_hand()(moved, 0.0).loss)


def test_global_drift_of_some_photos_takes_theirs():
    moved, rows = noisy(ORIGINALS, 20), torch.tensor([1])
    drift = drift_by_hand()
    whole = drift(moved, 0.0).loss
    torch.testing.assert_close(drift.of(rows)(moved[rows], 0.0).loss, whole[rows])
    turned = torch.tensor([1, 0])
    torch.testing.assert_close(drift.of(turned)(moved[turned], 0.0).loss, whole[turned])
    torch.testing.assert_close(drift.of(turned).of(rows)(moved[:1], 0.0).loss, whole[:1])


def test_the_loss_falls_as_a_photo_goes_from_its_own_neighbours_to_the_sample():
    sample = torch.tensor([[0.9, 0.1, 0.3]])
    drift = GlobalDrift.of_views(mean_colours, plain, sample, VIEWS[:1], 0.1)
    goal = of_colours((0.9, 0.1, 0.3), (0.9, 0.1, 0.3))
    losses = torch.stack([drift(ORIGINALS + share * (goal - ORIGINALS), 0.0).loss for share in torch.linspace(0, 1, 9)])
    assert (losses.diff(dim=0) < 0).all()
    found = minimise(drift, ORIGINALS, step=Sign(4), ball=LInf(40), steps=10)
    assert (plain(mean_colours(found.photos), sample) < plain(mean_colours(ORIGINALS), sample)).all()
    assert (found.losses < losses[0]).all()


def test_a_sample_of_the_photo_itself_has_a_finite_loss():
    drift = GlobalDrift.of_views(mean_colours, plain, mean_colours(ORIGINALS[:1]), [ORIGINALS[:1]], 0.25)
    moved = noisy(ORIGINALS[:1], 20)
    assert drift(moved, 0.0).loss.isfinite().all()
    assert gradient_of(drift, moved).isfinite().all()
