"""The detector's keypoints and their difference of Gaussians."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recessive.protection.keypoints.sift import (
    Keypoints,
    add_weights,
    change_contrasts,
    contrasts,
    detect,
    least_contrast,
)


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
    # bands of 256 rows between margins of 128
    monkeypatch.setattr("recessive.protection.keypoints.sift.BAND_PIXELS", 60 * 128 * 4)
    seen = []
    sift = cv2.SIFT.create()

    class Spy:
        def detect(self, band, mask):
            seen.append(band.shape)
            return sift.detect(band, mask)

    monkeypatch.setattr(cv2.SIFT, "create", lambda **_: Spy())
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


def at(*places):
    """Keypoints at (x, y, octave, layer)."""
    x, y, octave, layer = (np.array(values) for values in zip(*places, strict=True))
    nothing = np.zeros(len(places))
    return Keypoints(x.astype(float), y.astype(float), octave, layer, nothing, nothing)


def brute_force(image, x, y, sigma):
    """D by one large window over the mirrored image, pixel by pixel."""
    narrow, wide = np.sqrt(sigma**2 - 0.25), np.sqrt(sigma**2 * 2 ** (2 / 3) - 0.25)
    radius = int(np.ceil(4 * wide))
    mirrored = np.pad(image, radius, mode="reflect")
    column, row = round(x), round(y)
    window = mirrored[row : row + 2 * radius + 1, column : column + 2 * radius + 1]
    down, across = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    square = (down + row - y) ** 2 + (across + column - x) ** 2
    wide_weights, narrow_weights = (np.exp(-square / (2 * s * s)) for s in (wide, narrow))
    weights = wide_weights / wide_weights.sum() - narrow_weights / narrow_weights.sum()
    return (weights * window).sum(), (weights**2).sum()


PLACES = [
    (20, 17, -1, 1),
    (20.3, 16.6, -1, 1),
    (31.4, 22.8, 0, 2),
    (15.2, 20.1, 1, 3),
    (1.4, 30.7, 0, 1),  # beside a border
    (46.9, 0.2, 0, 3),  # in a corner
    (20, 20, 2, 3),  # a window larger than the image
]


@pytest.mark.parametrize("place", PLACES)
def test_contrast_is_that_of_one_window_over_the_mirrored_image(place):
    image = np.random.default_rng(0).uniform(0, 255, (40, 48))
    keypoints = at(place)
    value, energy = contrasts(image, keypoints)
    expected, free_energy = brute_force(image, *place[:2], keypoints.sigma[0])
    assert value[0] == pytest.approx(expected, abs=1e-9)
    if place in PLACES[:3]:  # no weight is mirrored
        assert energy[0] == pytest.approx(free_energy)


def test_contrast_at_the_centre_of_a_blob_is_the_closed_form(draw_blobs, blob_contrast):
    image = draw_blobs(90, 90, (45.3, 44.2, 4, 80))
    keypoints = at(*[(45.3, 44.2, octave, layer) for octave in (0, 1) for layer in (1, 2, 3)])
    np.testing.assert_allclose(contrasts(image, keypoints)[0], blob_contrast(4, 80, keypoints.sigma), rtol=3e-3)


def test_weights_are_what_contrasts_weigh_pixels_by():
    generator = np.random.default_rng(1)
    image = generator.uniform(0, 255, (40, 48))
    keypoints = at(*PLACES)
    value, energy = contrasts(image, keypoints)
    for k in range(len(PLACES)):
        weights = np.zeros_like(image)
        add_weights(weights, keypoints[np.array([k])], np.ones(1))
        assert (weights * image).sum() == pytest.approx(value[k])
        assert (weights**2).sum() == pytest.approx(energy[k])
        assert weights.sum() == pytest.approx(0, abs=1e-12)  # plain ground has no contrast


def test_weights_add_up_however_few_are_made_at_a_time(monkeypatch):
    generator = np.random.default_rng(2)
    image = generator.uniform(0, 255, (40, 48))
    places = [(*generator.uniform(0, 39, 2), o, layer) for o in (-1, 0, 1) for layer in (1, 2) for _ in range(5)]
    keypoints, amounts = at(*places), generator.normal(size=30)
    one_by_one = image.copy()
    for k in range(30):
        add_weights(one_by_one, keypoints[np.array([k])], amounts[[k]])
    known = contrasts(image, keypoints)
    for scratch in (1, 1000, 1 << 20):
        monkeypatch.setattr("recessive.protection.keypoints.sift.SCRATCH_VALUES", scratch)
        together = image.copy()
        add_weights(together, keypoints, amounts)
        np.testing.assert_allclose(together, one_by_one)
        np.testing.assert_allclose(contrasts(image, keypoints), known)


def test_it_is_what_the_detector_measures(draw_texture):
    image = draw_texture(200, 220)
    found = detect(image)
    value, _ = contrasts(image.astype(float), found)
    for octave, within in ((-1, 0.2), (0, 0.06), (1, 0.03)):
        ratio = np.abs(value)[found.octave == octave] / found.contrast[found.octave == octave]
        assert len(ratio) > 10
        assert np.abs(np.quantile(ratio, [0.05, 0.95]) - 1).max() < within


@pytest.mark.parametrize("amount", [6.0, -6.0])
@pytest.mark.parametrize("amplitude", [60, -60])
def test_the_least_change_of_one_contrast_is_a_patch_of_its_weights(amplitude, amount, draw_blobs):
    grey = draw_blobs(60, 60, (30, 29, 3, amplitude)).round().astype(np.uint8)
    keypoint = at((30, 29, 0, 2))
    (before,), (energy,) = contrasts(grey.astype(float), keypoint)
    changed = change_contrasts(grey, keypoint, np.array([amount]))
    after = contrasts(changed.astype(float), keypoint)[0][0]
    assert changed.dtype == np.uint8
    assert abs(after) - abs(before) == pytest.approx(amount, abs=0.05)  # of rounding
    patch = np.zeros(grey.shape)
    add_weights(patch, keypoint, np.sign([before]) * amount / energy)
    assert np.abs(changed.astype(float) - grey - patch).max() <= 0.5 + 1e-9


def test_levels_stay_levels(draw_blobs):
    grey = draw_blobs(60, 60, (30, 29, 3, 250), ground=5).round().clip(0, 255).astype(np.uint8)
    changed = change_contrasts(grey, at((30, 29, 0, 2)), np.array([400.0]))
    assert changed.min() == 0
    assert changed.max() == 255


def test_no_keypoints_change_nothing(draw_texture):
    grey = draw_texture(30, 30)
    none = detect(np.zeros((30, 30), np.uint8))
    assert (change_contrasts(grey, none, np.zeros(0)) == grey).all()
