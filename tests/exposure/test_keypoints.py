from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from recessive.encoders import SIFT
from recessive.exposure.keypoints import keypoint_report
from recessive.quality import psnr, ssim

SIZE = 128


def photo_of(levels):
    return torch.from_numpy(np.asarray(levels, dtype=np.float32).round().clip(0, 255) / 255).expand(3, *levels.shape)


def blobs(*those):
    """A photo of blobs (x, y, σ, height) on a plain ground; a blob is one keypoint of scale σ / 2^⅙."""
    down, across = np.mgrid[:SIZE, :SIZE]
    levels = np.full((SIZE, SIZE), 110.0)
    for x, y, sigma, height in those:
        levels += height * np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * sigma**2))
    return photo_of(levels)


def texture(seed, size=SIZE):
    grain = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(size, size)), (0, 0), 2)
    return 128 + 30 * grain / grain.std()


A, B, C = (30, 40, 4, 100), (90, 35, 4, 100), (60, 95, 4, 100)


def test_a_photo_and_itself_have_the_same_keypoints():
    photo = photo_of(texture(0))
    report = keypoint_report(photo, photo)
    assert report.before == report.after == report.kept > 50
    assert report.new == 0
    assert report.removal_rate == 0
    assert report.psnr == math.inf
    assert report.ssim == report.ssim_grey == pytest.approx(1)


def test_what_goes_and_what_comes_is_counted():
    report = keypoint_report(blobs(A, B), blobs(B, C))
    assert (report.before, report.after, report.kept, report.new) == (2, 2, 1, 1)


@pytest.mark.parametrize(
    ("moved", "kept"),
    [
        ((31, 40, 4, 100), 1),  # σ / 2 ≈ 1.8 pixels
        ((33, 40, 4, 100), 0),
        ((30, 40, 4.2, 100), 1),
        ((30, 40, 5, 100), 0),  # 2^(1/6) = 1.12
        ((30, 40, 4, -80), 1),  # of its place and scale, whatever its sign
    ],
)
def test_a_kept_keypoint_has_one_at_its_place_and_scale(moved, kept):
    report = keypoint_report(blobs(A), blobs(moved))
    assert (report.before, report.after) == (1, 1)
    assert (report.kept, report.new) == (kept, 1 - kept)


@pytest.mark.parametrize(("shift", "removed"), [(6, False), (10, True)])
def test_a_match_by_descriptor_must_lie_within_8_pixels(shift, removed):
    wide = np.full((SIZE, SIZE + 40), 128.0)
    wide[24:104, 40:120] = texture(1, 80)
    report = keypoint_report(photo_of(wide), photo_of(np.roll(wide, shift, axis=1)))
    assert report.before == report.after > 20
    assert (report.removal_rate > 0.9) if removed else (report.removal_rate < 0.1)


def test_other_content_matches_nothing():
    report = keypoint_report(photo_of(texture(2)), photo_of(texture(3)))
    assert report.removal_rate > 0.95
    assert report.kept < 0.3 * report.before
    assert report.new > 0.7 * report.after


def test_removal_counts_the_share_that_is_gone():
    levels = texture(4)
    half = levels.copy()
    half[:, SIZE // 2 :] = levels[:, SIZE // 2 :].mean()
    report = keypoint_report(photo_of(levels), photo_of(half))
    assert report.removal_rate == pytest.approx(0.5, abs=0.15)
    assert report.kept == pytest.approx(report.before / 2, rel=0.3)


def test_distortion_is_that_of_colours_and_of_grey():
    original = photo_of(texture(5)).clone()
    bluer = original.clone()
    bluer[2] = (bluer[2] + 40 / 255).clamp(max=1)
    report = keypoint_report(original, bluer)
    assert report.psnr == pytest.approx(float(psnr(original[None], bluer[None])))
    assert report.ssim == pytest.approx(float(ssim(original[None], bluer[None])))
    assert 1 > report.ssim_grey > report.ssim  # blue is 0.114 of grey
    assert report.kept > 0.8 * report.before


def test_photos_without_keypoints_lose_none():
    plain = blobs()
    report = keypoint_report(plain, plain)
    assert (report.before, report.after, report.kept, report.new, report.removal_rate) == (0, 0, 0, 0, 0)
    assert keypoint_report(blobs(A), plain).removal_rate == 1
    gained = keypoint_report(plain, blobs(A))
    assert (gained.removal_rate, gained.new) == (0, 1)


def test_large_photos_are_looked_at_as_a_searcher_does():
    photo = photo_of(texture(6, 300))
    shrunk, whole = (keypoint_report(photo, photo, SIFT(longest_side=side)).before for side in (100, 300))
    assert 0 < shrunk < whole / 4
    assert keypoint_report(photo, photo).before == whole


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [((3, 20, 20), (3, 20, 21), "photos differ in size"), ((3, 8, 30), (3, 8, 30), "at least 11 × 11")],
)
def test_photos_that_cannot_be_compared_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        keypoint_report(torch.zeros(first), torch.zeros(second))
