from __future__ import annotations

import cv2
import numpy as np
import pytest

from recessive.protection.keypoints import detector
from recessive.protection.keypoints.detector import Keypoints, detect, least_contrast


def as_rows(keypoints):
    return np.stack([keypoints.y, keypoints.x, keypoints.octave, keypoints.layer, keypoints.contrast], axis=1)


def test_a_keypoint_needs_3_4_grey_levels():
    assert least_contrast() == pytest.approx(0.04 * 255 / 3)
    assert least_contrast(0.08) == pytest.approx(6.8)


@pytest.mark.parametrize("amplitude", [90, -90])
@pytest.mark.parametrize(("sigma", "octave", "within"), [(1.6, -1, 0.1), (3, 0, 0.03), (7, 1, 0.03)])
def test_a_blob_is_found_where_it_is_with_its_contrast(sigma, octave, within, amplitude, draw_blobs, blob_contrast):
    found = detect(draw_blobs(120, 140, (61, 52, sigma, amplitude)).round().astype(np.uint8))
    strongest = found[np.array([found.contrast.argmax()])]
    assert (strongest.x[0], strongest.y[0]) == pytest.approx((61, 52), abs=0.3)
    assert strongest.octave[0] == octave
    assert strongest.sigma[0] == pytest.approx(1.6 * 2 ** (strongest.layer[0] / 3 + octave))
    # The DoG of scales s and 2^⅓ s answers to σ = 2^⅙ s most; the offset refines the layer.
    refined = strongest.sigma[0] * 2 ** (strongest.offset[0] / 3)
    assert refined * 2 ** (1 / 6) == pytest.approx(sigma, rel=0.1)
    assert strongest.contrast[0] == pytest.approx(abs(blob_contrast(sigma, amplitude, refined)), rel=within)


def test_one_place_and_scale_is_listed_once_however_many_orientations_it_has(draw_texture):
    image = draw_texture(96, 112)
    raw = cv2.SIFT.create().detect(image, None)
    places = {(keypoint.pt[1], keypoint.pt[0], keypoint.octave) for keypoint in raw}
    found = detect(image)
    assert len(raw) > len(places)
    assert len(found) == len(places)
    assert {(y, x) for y, x, _ in places} == set(zip(found.y, found.x, strict=True))
    assert found.contrast.min() >= least_contrast()
    assert set(found.layer) <= {1, 2, 3}
    assert -1 <= found.octave.min() <= found.octave.max() <= 4
    assert np.abs(found.offset).max() <= 0.5


def test_a_lower_threshold_lists_weaker_ones_besides(draw_texture):
    image = draw_texture(96, 112)
    all_of_them, strong = detect(image, 0.02), detect(image)
    assert all_of_them.contrast.min() < least_contrast()
    np.testing.assert_array_equal(as_rows(all_of_them[all_of_them.contrast >= least_contrast()]), as_rows(strong))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 9), (50, 60)])
def test_plain_images_have_none(shape):
    found = detect(np.full(shape, 77, np.uint8))
    assert len(found) == 0
    assert found.sigma.shape == (0,)
    assert found.octave.dtype == np.int64


def test_bands_of_a_large_image_have_the_keypoints_of_the_whole(draw_texture, monkeypatch):
    image = draw_texture(1100, 60)
    whole = detect(image)
    monkeypatch.setattr(detector, "BAND_PIXELS", 60 * 128 * 4)  # bands of 256 rows between margins of 128
    seen = []
    sift = cv2.SIFT.create()

    class Spy:
        def detect(self, band, mask):
            seen.append(band.shape)
            return sift.detect(band, mask)

    monkeypatch.setattr(detector.cv2.SIFT, "create", lambda **_: Spy())
    banded = detect(image)
    assert seen == [(384, 60), (512, 60), (512, 60), (460, 60), (204, 60)]
    fine, expected = (as_rows(found[found.sigma < 10]) for found in (banded, whole))
    assert len(expected) > 500
    np.testing.assert_allclose(fine, expected, atol=1e-3)


def test_some_keypoints_are_chosen_by_place_or_by_mask():
    values = np.arange(3.0)
    keypoints = Keypoints(values, values + 10, np.array([-1, 0, 1]), np.array([1, 2, 3]), values, values)
    np.testing.assert_allclose(keypoints.sigma, [1.6 * 2 ** (1 / 3) / 2, 1.6 * 2 ** (2 / 3), 1.6 * 2 * 2])
    assert keypoints[keypoints.octave >= 0].y.tolist() == [11, 12]
    assert keypoints[np.array([2])].layer.tolist() == [3]
