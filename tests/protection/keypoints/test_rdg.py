from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from recessive.balls import LInf
from recessive.encoders import grey_levels
from recessive.protection.keypoints.rdg.detector import Detector, describe, matches
from recessive.protection.keypoints.rdg.method import RDG
from recessive.protection.method import Run
from recessive.quality import psnr, ssim


def blob(height, width, row, column, sigma, amplitude):
    rows, columns = np.mgrid[:height, :width]
    image = 100 + amplitude * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
    return image.round().astype(np.uint8)


def texture(height, width, seed, contrast=9):
    """Noise of several scales, as strong at each."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width))
    for sigma in (1.5, 2.5, 4, 8):
        grain = cv2.GaussianBlur(generator.normal(size=(height, width)), (0, 0), sigma)
        image += contrast * grain / grain.std()
    return np.clip(128 + image, 0, 255).round().astype(np.uint8)


def colours(height, width, seed):
    """A photo (3, height, width) whose channels are different mixtures of two textures."""
    first, second = (texture(height, width, seed + more, contrast=13).astype(np.float32) for more in (0, 100))
    channels = [first, 0.8 * first + 0.2 * second, 0.7 * first + 0.3 * second]
    return torch.from_numpy(np.stack(channels).round() / 255)


def keypoints(grey, detector=None):
    detector = detector or Detector()
    found = detector.keypoints(detector.layers(grey.astype(np.float32)))
    return found, describe(grey, found)


def removal_rate(before, after, detector=None):
    original = keypoints(before, detector)
    kept = matches(*original, *keypoints(after, detector))
    return 1 - len(kept) / len(original[0])


def distortion(before, after):
    return cv2.PSNR(before, after)


def protect(photos, ball=None, method=None):
    count = len(photos)
    return (method or RDG())(photos, [], Run(ball or LInf(255), 0, list(range(count))))


@pytest.mark.parametrize("amplitude", [40, 80, -60])
@pytest.mark.parametrize("sigma", [2.2, 2.8])
def test_a_blob_loses_its_keypoint_and_gains_no_other(sigma, amplitude):
    before = blob(48, 48, 23.7, 24.3, sigma, amplitude)
    after = RDG().change_grey(before)
    assert len(keypoints(before)[0]) == 1
    assert len(keypoints(after)[0]) == 0
    assert distortion(before, after) > 45


def test_only_strong_changes_remove_a_large_blob_and_later_loops_allow_them():
    before = blob(48, 48, 23.7, 24.3, 3.0, 80)
    strict = RDG(relief=0.0).change_grey(before)
    assert np.array_equal(strict, before)
    assert len(keypoints(RDG().change_grey(before))[0]) == 0
    few = RDG(loops=5).change_grey(before)
    assert np.array_equal(few, before)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_textured_photo_loses_its_keypoints_and_little_else(seed):
    before = texture(96, 112, seed)
    after = RDG().change_grey(before)
    assert len(keypoints(before)[0]) >= 20
    assert removal_rate(before, after) >= 0.85
    assert len(keypoints(after)[0]) <= 0.2 * len(keypoints(before)[0])
    assert distortion(before, after) > 38


def test_each_loop_may_help():
    before = texture(96, 112, 1)
    rates = [removal_rate(before, RDG(loops=loops).change_grey(before)) for loops in (0, 1, 40)]
    assert rates[0] < 0.35
    assert rates[0] + 0.3 < rates[1] < rates[2]


def test_several_octaves_lose_theirs_too():
    detector = Detector((-1, 0, 1))
    before = texture(64, 72, 2, contrast=12)
    after = RDG(detector=detector, loops=15).change_grey(before)
    assert {-1, 0, 1} == set(keypoints(before, detector)[0].octave)
    rates = [removal_rate(before, photo, detector) for photo in (before, RDG(loops=15).change_grey(before), after)]
    assert rates[0] + 0.1 < rates[1] < rates[2] - 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (3, 3), (5, 40), (40, 40)])
@pytest.mark.parametrize("octaves", [(0,), (-1, 0, 1, 2)])
def test_constant_photos_stay_as_they_are_whatever_their_size(size, octaves):
    before = np.full(size, 130, np.uint8)
    assert np.array_equal(RDG(detector=Detector(octaves)).change_grey(before), before)


def test_photos_without_keypoints_stay_as_they_are():
    photos = torch.rand(2, 3, 5, 9, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    ramp = torch.linspace(0, 1, 40).mul(255).round().div(255).expand(1, 3, 30, 40)
    for before in (photos, ramp):
        found = protect(before)
        assert torch.equal(found.photos, before)
        assert found.done.all()
        assert (found.losses == 0).all()


def test_colour_photos_lose_the_keypoints_of_their_grey_levels():
    photos = torch.stack([colours(96, 112, seed) for seed in (3, 4)])
    kept = photos.clone()
    found = protect(photos).photos
    assert torch.equal(photos, kept)
    for before, after in zip(photos, found, strict=True):
        assert removal_rate(grey_levels(before), grey_levels(after)) >= 0.8
    assert (psnr(found, photos) > 36).all()
    assert (ssim(found, photos) > 0.97).all()
    changed = (found != photos).any(1).float().mean((1, 2))
    assert ((changed > 0.02) & (changed < 0.6)).all()


def test_grey_photos_stay_grey_and_results_are_the_same_each_time():
    grey = torch.from_numpy(texture(96, 112, 5) / np.float32(255)).expand(1, 3, -1, -1)
    first, second = protect(grey).photos, protect(grey).photos
    assert torch.equal(first, second)
    assert not torch.equal(first, grey)
    assert torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(first[:, 0], first[:, 2])


def test_the_ball_has_the_last_word():
    photos = colours(96, 112, 3)[None]
    free, bound = (protect(photos, LInf(budget)).photos for budget in (255, 2))
    assert 255 * (free - photos).abs().max() > 2.5
    assert 255 * (bound - photos).abs().max() < 2.5
    assert not torch.equal(bound, photos)
