from __future__ import annotations

import cv2
import numpy as np
import pytest

from recessive.protection.keypoints.rdg.detector import Detector, Extrema, differences
from recessive.protection.keypoints.rdg.graph import NONE, neighbourhood, ordering
from recessive.protection.keypoints.rdg.jacobian import jacobians
from recessive.protection.keypoints.rdg.method import Plane, _apply, attack
from recessive.protection.keypoints.rdg.program import inequalities, smallest_changes

DETECTOR = Detector()


def blob(height, width, row, column, sigma, amplitude, ground=100):
    rows, columns = np.mgrid[:height, :width]
    image = ground + amplitude * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))
    return image.clip(0, 255).round().astype(np.float32)


def noise(height, width, seed):
    generator = np.random.default_rng(seed)
    image = sum(cv2.GaussianBlur(generator.normal(size=(height, width)), (0, 0), sigma) * sigma for sigma in (2, 4))
    return np.clip(128 + 60 * image, 0, 255).round().astype(np.float32)


def at(rows, columns, octave=0):
    """Maxima in layer 2 at these samples."""
    rows, columns = np.array(rows), np.array(columns)
    same, pitch = np.ones_like(rows), 2.0**octave
    return Extrema(octave * same, 2 * same, rows, columns, same, columns * pitch, rows * pitch, 2.5 * pitch * same)


def strike(image, largest=15.0, gap=1e-3, detector=DETECTOR):
    """Attack all keypoints of an image that holds one, in place; those found before, and how many are too costly."""
    layers = detector.layers(image)
    keypoints = detector.keypoints(layers)
    octave = detector.octaves[0]
    plane = Plane.of(*image.shape, detector.first, octave)
    return keypoints, attack(image, layers[octave], keypoints, plane, gap, largest)


@pytest.mark.parametrize(("octave", "distance"), [(-1, 7), (0, 7), (1, 8)])
def test_sets_share_no_pixel_and_together_are_all(octave, distance):
    generator = np.random.default_rng(0)
    places = generator.permutation(60 * 70)[:300]
    keypoints = at(places // 70, places % 70, octave)
    plane = Plane.of(300, 300, -1, octave)
    sets = list(plane.apart(keypoints))
    assert sorted(np.concatenate([part.row * 70 + part.column for part in sets]).tolist()) == sorted(places.tolist())
    for part in sets:
        centres = plane.centres(part)
        away = np.abs(centres[:, None] - centres).max(2) + 99 * np.eye(len(part))
        assert away.min() >= distance
    rest = np.concatenate([plane.centres(part) for part in sets[1:]])
    assert (np.abs(rest[:, None] - plane.centres(sets[0])).max(2).min(1) < distance).all()  # no set can be larger


def test_the_wanted_order_holds_in_the_photo_before_rounding():
    image = noise(90, 90, 0)
    layers = DETECTOR.layers(image)
    keypoints = DETECTOR.keypoints(layers)
    plane = Plane.of(90, 90, 0, 0)
    keypoints = keypoints[plane.fits(keypoints, 3)]
    around, graph = np.arange(-3, 4), neighbourhood(3)
    rows, columns = keypoints.row[:, None, None] + around[:, None], keypoints.column[:, None, None] + around
    values = layers[0][:, rows, columns].swapaxes(0, 1).reshape(len(keypoints), -1) * keypoints.sign[:, None]
    start = keypoints.layer * 49 + 24
    above, below = ordering(values.astype(float), start, graph)
    moves, whose = jacobians(plane.down, plane.across, keypoints.row, keypoints.column, 3)
    matrix, bounds = inequalities(values.astype(float), moves, whose, above, below, 0.01, graph)
    found = smallest_changes(matrix, bounds, 7 * 60.0)
    assert found.found.sum() > 10
    for one in np.nonzero(found.found)[0]:
        changed = image.astype(np.float64)
        changed[rows[one], columns[one]] += keypoints.sign[one] * found.change[one].reshape(7, 7)
        [(_, after)] = differences(changed, 0, (0,))
        after = keypoints.sign[one] * after[:, rows[one], columns[one]].ravel()
        own = after[graph.inner]
        for other, direction in ((above[one], 1), (below[one], -1)):
            asked = other != NONE
            assert (direction * (after[other] - own) > 0.009)[asked].all()  # 0.01 but for 32-bit rounding
            growth = direction * (own - values[one, graph.inner])
            assert (growth < 1e-3)[~asked].all()
        assert after[start[one]] < after[graph.neighbours[start[one]]].max()


@pytest.mark.parametrize("amplitude", [60, -60])
def test_one_blow_ends_a_blob_within_its_block(amplitude):
    image = blob(40, 50, 19, 26, 2.2, amplitude)
    before = image.copy()
    keypoints, costly = strike(image)
    assert (len(keypoints), costly) == (1, 0)
    rows, columns = np.nonzero(image != before)
    assert np.abs(rows - 19).max() <= 3
    assert np.abs(columns - 26).max() <= 3
    assert len(rows) > 20
    assert (image == image.round()).all()
    assert len(DETECTOR.keypoints(DETECTOR.layers(image))) == 0


def test_what_costs_too_much_is_left_and_counted():
    image = blob(40, 40, 20, 20, 2.8, 60)
    before = image.copy()
    assert strike(image, largest=10.0)[1] == 1
    assert np.array_equal(image, before)
    assert strike(image, largest=30.0)[1] == 0
    assert 10 < np.abs(image - before).max() <= 30


def test_keypoints_at_the_border_have_3_x_3_pixels():
    image = noise(40, 400, 0)
    before, plane, layers = image.copy(), Plane.of(40, 400, 0, 0), DETECTOR.layers(image)
    keypoints = DETECTOR.keypoints(layers)
    near = keypoints[~plane.fits(keypoints, 3)]
    assert len(near) > 2
    assert ((near.row < 3) | (near.row > 36) | (near.column < 3) | (near.column > 396)).all()
    changed = 0
    for part in plane.apart(near):
        assert attack(image, layers[0], part, plane, 1e-3, 1000.0) == 0
        change = image != before
        changed += change.sum()
        for row, column in zip(part.row, part.column, strict=True):
            change[row - 1 : row + 2, column - 1 : column + 2] = False
        assert not change.any()
        before = image.copy()
    assert changed >= 9


@pytest.mark.parametrize("ground", [0, 255])
def test_grey_levels_stay_between_0_and_255(ground):
    image = blob(40, 40, 20, 20, 2.8, 60 if ground == 0 else -60, ground)
    before = image.copy()
    strike(image, largest=100.0)
    assert not np.array_equal(image, before)
    assert image.min() >= 0
    assert image.max() <= 255


def test_changes_are_rounded_away_from_0():
    image = np.full((9, 9), 100, np.float32)
    change = np.zeros((1, 7, 7))
    change[0, 0, :4] = [0.2, -0.2, 3.7, 1e-9]
    change[0, 6, 6] = -2.0
    _apply(image, at([4], [4]), change, Plane.of(9, 9, 0, 0), 3)
    assert image[1, 1:5].tolist() == [101, 99, 104, 100]
    assert image[7, 7] == 98
    assert (image != 100).sum() == 4


def test_changes_at_the_samples_of_octave_1_are_interpolated_and_cut_at_the_border():
    image = np.full((10, 10), 100, np.float32)
    change = np.zeros((1, 3, 3))
    change[0, 0, 0], change[0, 2, 2] = 8.0, -8.0
    _apply(image, at([1], [3], octave=1), change, Plane.of(10, 10, 0, 1), 1)
    # The block's first sample is (0, 2), pixel (0, 4); its last is (2, 4), pixel (4, 8).
    assert image[:2, 3:6].tolist() == [[104, 108, 104], [102, 104, 102]]
    assert image[3:6, 7:].tolist() == [[98, 96, 98], [96, 92, 96], [98, 96, 98]]
    assert (image != 100).sum() == 15


def test_a_keypoint_that_another_block_has_ended_is_left():
    image = blob(40, 40, 20, 20, 2.2, 60)
    keypoints = DETECTOR.keypoints(DETECTOR.layers(image))
    strike(image)
    before = image.copy()
    attack(image, DETECTOR.layers(image)[0], keypoints, Plane.of(40, 40, 0, 0), 1e-3, 15.0)
    assert np.array_equal(image, before)
