from __future__ import annotations

import numpy as np
import pytest

from recessive.protection.keypoints.methods import FMD
from recessive.protection.keypoints.sift import detect, least_contrast

LEAST = least_contrast()


def strongest(grey):
    found = detect(grey, 0.005)
    return found[np.array([found.contrast.argmax()])]


@pytest.mark.parametrize("sign", [1, -1])
def test_what_almost_is_a_keypoint_becomes_one(sign, draw_blobs):
    grey = draw_blobs(64, 64, (31, 30, 3, sign * 20)).round().astype(np.uint8)  # |D| ≈ 2.3
    assert len(detect(grey)) == 0
    assert LEAST - 2.5 < strongest(grey).contrast[0] < LEAST
    forged = FMD(share=1.0, passes=1)(grey)
    keypoint = strongest(forged)
    assert keypoint.contrast[0] == pytest.approx(LEAST + 0.5, abs=0.25)
    assert (keypoint.x[0], keypoint.y[0]) == pytest.approx((31, 30), abs=0.5)
    assert len(detect(forged)) == 1


def test_a_pass_adds_a_share_of_what_is_missing(draw_blobs):
    # half of what |D| = 1.4 lacks of 3.9
    grey = draw_blobs(64, 64, (31, 30, 3, 12)).round().astype(np.uint8)
    before, after = (strongest(levels).contrast[0] for levels in (grey, FMD(share=0.5, passes=1)(grey)))
    assert before == pytest.approx(1.4, abs=0.1)
    assert after - before == pytest.approx(1.25, abs=0.2)


def test_further_passes_forge_what_was_not_there_yet(draw_texture):
    grey = (64 + draw_texture(128, 150).astype(float) / 2).round().astype(np.uint8)
    counts = [len(detect(FMD(share=0.5, passes=passes)(grey))) for passes in (0, 1, 3)]
    assert counts[0] == len(detect(grey))
    assert counts[0] * 1.1 < counts[1] < counts[2] / 1.1


@pytest.mark.parametrize("amplitude", [6, 60])
def test_what_is_far_from_a_keypoint_or_is_one_stays(amplitude, draw_blobs):
    grey = draw_blobs(64, 64, (31, 30, 3, amplitude)).round().astype(np.uint8)
    assert (FMD()(grey) == grey).all()


def test_a_texture_has_more_keypoints_and_keeps_its_own(draw_texture):
    grey = (64 + draw_texture(128, 150).astype(float) / 2).round().astype(np.uint8)
    before, after = detect(grey), detect(FMD()(grey))
    assert len(after) > 1.3 * len(before)
    away = np.hypot(before.x[:, None] - after.x, before.y[:, None] - after.y).min(1)
    assert (away < 1).mean() > 0.85


@pytest.mark.parametrize("shape", [(1, 1), (2, 60), (40, 40)])
def test_an_image_without_extrema_stays(shape):
    grey = np.full(shape, 90, np.uint8)
    assert (FMD()(grey) == grey).all()


@pytest.mark.parametrize("d_minus", [0, -1, 3.5, 9])
def test_candidates_must_have_some_contrast_but_too_little(d_minus):
    with pytest.raises(ValueError, match=r"between 0 and 3\.4"):
        FMD(d_minus=d_minus)
