from __future__ import annotations

import cv2
import numpy as np
import pytest

from recessive.protection.keypoints.methods import LS
from recessive.protection.keypoints.sift import Keypoints, detect


def at(x, y, octave, layer):
    values = [np.array([value], dtype=float) for value in (x, y)]
    return Keypoints(*values, np.array([octave]), np.array([layer]), np.zeros(1), np.zeros(1))


def test_windows_are_whole_near_the_keypoint_and_fade_along_the_farther_axis():
    # σ = 1.6 · 2 = 3.2: whole up to 1.6 pixels, nothing from 3.1 on
    weights = LS(half=0.5, blend=1.5)._windows(at(10, 8, 0, 3), (20, 24))
    fades = [1, 1, (3.1 - 2) / 1.5, (3.1 - 3) / 1.5, 0]
    np.testing.assert_allclose(weights[8, 10:15], fades, atol=1e-6)
    np.testing.assert_allclose(weights[8:3:-1, 10], fades, atol=1e-6)
    np.testing.assert_allclose(weights[10, 8:13], [fades[2]] * 5, atol=1e-6)  # two rows below
    np.testing.assert_allclose(np.diagonal(weights[8:13, 10:15]), fades, atol=1e-6)
    assert (weights > 0).sum() == 7 * 7


def test_windows_lie_between_pixels_at_borders_and_over_one_another():
    alone = LS()._windows(at(0.4, 18.8, 0, 3), (20, 24))
    np.testing.assert_allclose(alone[19, :4], [1, 1, 1, (3.1 - 2.6) / 1.5], atol=1e-6)
    assert (alone[:, 5:] == 0).all()
    other = LS()._windows(at(3, 17, 1, 1), (20, 24))
    both = Keypoints(
        *(np.array(values) for values in ((0.4, 3.0), (18.8, 17.0), (0, 1), (3, 1), (0.0, 0.0), (0.0, 0.0)))
    )
    np.testing.assert_array_equal(LS()._windows(both, (20, 24)), np.maximum(alone, other))
    tiny = LS(half=50)._windows(at(1, 1, 0, 3), (3, 2))
    assert (tiny == 1).all()


def test_one_pass_blends_the_image_with_its_blurred_version(draw_blobs):
    grey = draw_blobs(64, 64, (31, 30, 1.5, 90)).round().astype(np.uint8)
    found = detect(grey)
    assert len(found)
    method = LS(passes=1)
    weights = method._windows(found, grey.shape)
    blurred = cv2.GaussianBlur(grey.astype(float), (0, 0), 1.3)
    smooth = method(grey)
    np.testing.assert_allclose(smooth, (1 - weights) * grey + weights * blurred, atol=0.5 + 1e-4)
    assert (smooth[weights == 0] == grey[weights == 0]).all()
    assert (weights == 0).mean() > 0.9
    # At its centre a blob of σ = 1.5, blurred by 1.3, keeps 1.5² / (1.5² + 1.3²) of its height.
    assert smooth[30, 31] - 120.0 == pytest.approx(90 * 1.5**2 / (1.5**2 + 1.3**2), abs=1)


def test_further_passes_smooth_what_is_still_a_keypoint(draw_blobs):
    # |D| falls from about 10 to 5 in one pass: still a keypoint
    grey = draw_blobs(64, 64, (31, 30, 1.5, 90)).round().astype(np.uint8)
    assert len(detect(LS(passes=1)(grey))) > 0
    smooth = LS()(grey)
    assert len(detect(smooth)) == 0
    assert (LS(passes=50)(grey) == smooth).all()  # it ended before


def test_strong_small_keypoints_of_a_texture_go_and_few_come(draw_texture):
    grey = draw_texture(128, 150)
    before, after = detect(grey), detect(LS()(grey))
    assert len(before) > 200
    assert len(after) < 0.3 * len(before)


@pytest.mark.parametrize("shape", [(1, 1), (2, 60), (40, 40)])
def test_an_image_without_keypoints_stays(shape):
    grey = np.full(shape, 90, np.uint8)
    assert (LS()(grey) == grey).all()


def test_light_and_dark_stay_levels():
    board = np.kron(np.indices((8, 8)).sum(0) % 2 * 255, np.ones((6, 6))).astype(np.uint8)
    assert len(detect(board)) > 0
    smooth = LS()(board)
    assert smooth.dtype == np.uint8
    assert smooth.min() >= 0
    assert not (smooth == board).all()
