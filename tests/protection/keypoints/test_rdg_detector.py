from __future__ import annotations

from dataclasses import fields
from itertools import product

import numpy as np
import pytest

from recessive.protection.keypoints.rdg.detector import Detector, Extrema, _extrema


def blob(height, width, row, column, sigma, amplitude):
    rows, columns = np.mgrid[:height, :width]
    return 100 + amplitude * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))


def detect(image, detector=None):
    detector = detector or Detector()
    return detector.keypoints(detector.layers(image.astype(np.float32)))


# Of a blob of σ_b the DoG between scales s and k s (s² = σ² − 0.25) is σ_b²/(σ_b² + k² s²) − σ_b²/(σ_b² + s²) times its
# height. It is extreme for k s² = σ_b², where it is (1 − k)/(1 + k): −0.115 for k = 2^(1/3).
K = 2 ** (1 / 3)
STRONGEST = (K - 1) / (K + 1)


@pytest.mark.parametrize("octave", [0, 1, 2])
@pytest.mark.parametrize("amplitude", [60, -60])
def test_a_blob_is_one_keypoint_at_its_place_and_scale(octave, amplitude):
    sigma = 2.8 * 2**octave
    size = 48 * 2**octave
    row, column = size / 2 + 0.3, size / 2 - 0.4
    found = detect(blob(size, size + 10, row, column, sigma, amplitude), Detector((octave,)))
    assert len(found) == 1
    assert found.sign.tolist() == [-np.sign(amplitude)]  # the blurrier minus the sharper
    assert found.octave.tolist() == [octave]
    assert found.x[0] == pytest.approx(column, abs=0.1 * 2**octave)
    assert found.y[0] == pytest.approx(row, abs=0.1 * 2**octave)
    assert found.sigma[0] == pytest.approx(sigma / np.sqrt(K), rel=0.05)
    assert (found.row[0], found.column[0]) == (round(row / 2**octave), round(column / 2**octave))


@pytest.mark.parametrize(("share", "count"), [(1.1, 1), (0.9, 0)])
def test_the_threshold_is_in_grey_levels(share, count):
    amplitude = share * 4 / STRONGEST
    assert len(detect(blob(48, 48, 24, 24, 2.8, amplitude))) == count


def test_a_lower_threshold_finds_more():
    faint = blob(48, 48, 24, 24, 2.8, 20)
    assert len(detect(faint)) == 0
    assert len(detect(faint, Detector(peak=2.0))) == 1


def test_an_edge_is_no_keypoint_and_a_long_blob_is_one_for_a_higher_ratio():
    rows, columns = np.mgrid[:64, :64]
    ridge = 100 + 80 * np.exp(-((columns - 32) ** 2) / (2 * 2.4**2) - (rows - 32) ** 2 / (2 * 9**2))
    assert len(detect(ridge)) == 0
    assert len(detect(ridge, Detector(edge=100.0))) == 1


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (3, 3), (9, 2), (40, 40)])
def test_constant_and_tiny_photos_have_none(size):
    for octaves in ((0,), (-1, 0, 1, 2)):
        found = detect(np.full(size, 200.0), Detector(octaves))
        assert len(found) == 0
        assert all(len(getattr(found, field.name)) == 0 for field in fields(Extrema))


def test_extrema_are_beyond_all_their_26_neighbours():
    generator = np.random.default_rng(0)
    dogs = generator.integers(-9, 10, (5, 12, 14)).astype(np.float32)  # with ties, which are none
    expected = []
    for layer, row, column in product(range(1, 4), range(1, 11), range(1, 13)):
        own = dogs[layer, row, column]
        around = np.delete(dogs[layer - 1 : layer + 2, row - 1 : row + 2, column - 1 : column + 2].ravel(), 13)
        if own >= 3.2 and own > around.max():
            expected.append((layer, row, column, 1))
        if own <= -3.2 and own < around.min():
            expected.append((layer, row, column, -1))
    found = zip(*(part.tolist() for part in _extrema(dogs, 3.2)), strict=True)
    assert sorted(found) == sorted(expected)
    assert 5 < len(expected) < 100


def test_several_octaves_are_found_together():
    image = np.hstack([blob(96, 60, 48, 30, 2.8, 60), blob(96, 120, 48, 60, 5.6, 60)])
    found = detect(image, Detector((0, 1)))
    strongest = {octave: found.x[found.octave == octave] for octave in (0, 1)}
    assert np.abs(strongest[0] - 29.5).min() < 1
    assert np.abs(strongest[1] - 119.5).min() < 1
    assert set(found.octave) == {0, 1}


@pytest.mark.parametrize("octaves", [(), (1, 0), (0, 0)])
def test_octaves_without_an_order_are_refused(octaves):
    with pytest.raises(ValueError, match="rising order"):
        Detector(octaves)
