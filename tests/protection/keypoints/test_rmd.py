from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from recessive.protection.keypoints import methods as rmd
from recessive.protection.keypoints.methods import RMD
from recessive.protection.keypoints.sift import add_weights, contrasts, detect, least_contrast

LEAST = least_contrast()


def strongest(grey, contrast=0.01):
    found = detect(grey, contrast)
    return found[np.array([found.contrast.argmax()])]


@pytest.fixture
def weak_blob(draw_blobs):
    """|D| ≈ 6: 0.115 of the height."""
    return draw_blobs(64, 64, (31, 30, 3, 52)).round().astype(np.uint8)


def contrast_at(grey, keypoint):
    return abs(contrasts(grey.astype(float), keypoint)[0][0])


def test_one_pass_of_a_whole_patch_brings_a_weak_keypoint_just_below_the_threshold(weak_blob):
    keypoint = strongest(weak_blob)
    assert (
        contrast_at(weak_blob, keypoint) == pytest.approx(keypoint.contrast[0], rel=0.02) == pytest.approx(6, rel=0.02)
    )
    removed = RMD(share=1.0, passes=1)(weak_blob)
    assert contrast_at(removed, keypoint) == pytest.approx(LEAST - 0.5, abs=0.1)
    assert len(detect(removed)) == 0


def test_the_change_is_the_keypoints_own_weights(weak_blob):
    keypoint = strongest(weak_blob)
    weights = np.zeros(weak_blob.shape)
    add_weights(weights, keypoint, np.ones(1))
    energy = (weights**2).sum()
    wanted = (keypoint.contrast[0] - LEAST + 0.5) * weights / energy  # of a light blob D < 0
    change = RMD(share=1.0, passes=1)(weak_blob).astype(float) - weak_blob
    assert np.abs(change - wanted).max() <= 0.5 + 1e-9


def test_a_share_of_each_patch_gets_there_in_more_passes(weak_blob):
    keypoint = strongest(weak_blob)
    once = RMD(passes=1)(weak_blob)
    before, after = (contrast_at(grey, keypoint) for grey in (weak_blob, once))
    assert after - before == pytest.approx(-0.5 * (keypoint.contrast[0] - LEAST + 0.5), abs=0.1)
    assert len(detect(once)) == 1  # |D| − C + ½ fell from 3.1 to 1.6
    assert len(detect(RMD()(weak_blob))) == 0


@pytest.mark.parametrize("amplitude", [130, -110])
def test_strong_keypoints_are_left_as_they_are(amplitude, draw_blobs):
    grey = draw_blobs(64, 64, (31, 30, 3, amplitude)).round().astype(np.uint8)
    assert strongest(grey).contrast[0] > LEAST + 5
    assert (RMD()(grey) == grey).all()
    assert len(detect(RMD(d_plus=20)(grey))) == 0


def test_a_step_lowers_contrast_by_d_plus_at_most(draw_blobs):
    grey = draw_blobs(64, 64, (31, 30, 3, 67)).round().astype(np.uint8)
    keypoint = strongest(grey)
    before = contrast_at(grey, keypoint)
    assert LEAST + 4 < before < LEAST + 4.5
    for margin in (1.0, 3.0):  # wanted are 5.4 and 7.4
        stepped = RMD(d_plus=4.5, margin=margin, share=1.0, passes=1)(grey)
        assert before - contrast_at(stepped, keypoint) == pytest.approx(4.5, abs=0.1)


def test_most_keypoints_of_a_texture_go_and_no_candidate_is_left(draw_texture):
    grey = draw_texture(128, 150)
    removed = RMD()(grey)
    before, after = detect(grey), detect(removed)
    weak = (before.contrast <= LEAST + 5).sum()
    assert weak > 100
    assert len(after) < len(before) - 0.8 * weak
    assert (after.contrast <= LEAST + 5).sum() < 0.1 * weak
    assert 20 * np.log10(255 / np.sqrt(np.square(removed.astype(float) - grey).mean())) > 30


def test_less_of_each_patch_distorts_less_for_as_many_keypoints(draw_texture):
    grey = draw_texture(128, 150, seed=1)
    half, whole = RMD(share=0.5)(grey), RMD(share=1.0)(grey)
    assert len(detect(grey)) > 200
    assert max(len(detect(half)), len(detect(whole))) < 10
    assert np.square(half - grey.astype(float)).mean() < 0.7 * np.square(whole - grey.astype(float)).mean()


def test_it_ends_as_soon_as_a_pass_leaves_no_less_to_do(draw_texture, monkeypatch):
    left = []

    def counting(grey):
        found = detect(grey)
        left.append((found.contrast - LEAST + 0.5)[found.contrast <= LEAST + 5].clip(max=5).sum())
        return found

    monkeypatch.setattr(rmd, "detect", counting)
    RMD(passes=100)(draw_texture(128, 150))
    assert 3 < len(left) < 100
    assert all(later < earlier for earlier, later in pairwise(left[:-1]))
    assert left[-1] == 0 or left[-1] >= left[-2]


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (40, 40)])
def test_an_image_without_keypoints_stays(shape):
    grey = np.full(shape, 90, np.uint8)
    assert (RMD()(grey) == grey).all()
    assert (RMD(passes=0)(grey) == grey).all()
