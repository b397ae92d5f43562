from __future__ import annotations

import numpy as np
import pytest

from recessive.protection.keypoints.rdg.detector import differences, scales


def blob(height, width, row, column, sigma, amplitude):
    rows, columns = np.mgrid[:height, :width]
    return amplitude * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2))


def peak(blob_sigma, scale):
    """Of a blob of height 1 and σ_b, blurred from the assumed 0.5 pixels to a scale: σ_b² / (σ_b² + σ² − 0.25)."""
    return blob_sigma**2 / (blob_sigma**2 + scale**2 - 0.25)


@pytest.mark.parametrize(("octave", "size"), [(0, 65), (1, 97), (2, 193)])
def test_the_centre_of_a_blob_falls_as_gaussians_convolved_with_gaussians_do(octave, size):
    sigma, middle = 3.0 * 2**octave, size // 2  # a place of every octave
    image = blob(size, size, middle, middle, sigma, 100.0)
    levels = {(own, number): level for own, number, level in scales(image, 0, octave)}
    own = dict(differences(image, 0, (octave,)))[octave]
    place = middle >> octave
    for number in range(6):
        scale = 1.6 * 2 ** (number / 3 + octave)
        assert levels[octave, number][place, place] == pytest.approx(100 * peak(sigma, scale), rel=2e-3)
    for number in range(5):
        fine, coarse = (1.6 * 2 ** ((number + more) / 3 + octave) for more in (0, 1))
        expected = 100 * (peak(sigma, coarse) - peak(sigma, fine))
        assert own[number, place, place] == pytest.approx(expected, rel=2e-2)


def test_octave_minus_1_has_each_pixel_and_the_means_between():
    image = blob(40, 40, 20, 20, 3.0, 100.0)
    [(octave, layers)] = differences(image, -1, (-1,))
    assert (octave, layers.shape) == (-1, (5, 80, 80))
    # Linear interpolation blurs a little itself.
    assert layers[0, 40, 40] == pytest.approx(100 * (peak(3.0, 0.8 * 2 ** (1 / 3)) - peak(3.0, 0.8)), rel=0.05)
    straight = layers[:, 40, 20:61]
    np.testing.assert_allclose(straight, straight[:, ::-1], atol=1e-9)


def test_constant_photos_have_no_difference_at_all():
    for _, layers in differences(np.full((33, 21), 77.0), -1, (-1, 0, 1, 2)):
        np.testing.assert_allclose(layers, 0, atol=1e-10)


@pytest.mark.parametrize(
    ("size", "shapes"),
    [
        ((37, 50), {-1: (74, 100), 0: (37, 50), 1: (18, 25), 2: (9, 12)}),
        ((11, 50), {-1: (22, 100), 0: (11, 50), 1: (5, 25)}),
        ((3, 3), {-1: (6, 6), 0: (3, 3)}),
        ((2, 9), {-1: (4, 18)}),
        ((1, 1), {}),
    ],
)
def test_octaves_halve_the_photo_while_it_has_an_inner_sample(size, shapes):
    found = dict(differences(np.zeros(size), -1, (-1, 0, 1, 2)))
    assert {octave: layers.shape for octave, layers in found.items()} == {
        octave: (5, *shape) for octave, shape in shapes.items()
    }


def test_rows_alone_are_what_both_ways_are_made_of():
    image = np.random.default_rng(0).random((21, 34)) * 255
    both = {key[:2]: key[2] for key in scales(image, -1, 1)}
    rows = {key[:2]: key[2] for key in scales(np.eye(21), -1, 1, rows_only=True)}
    columns = {key[:2]: key[2] for key in scales(np.eye(34), -1, 1, rows_only=True)}
    assert both.keys() == rows.keys()
    for key, level in both.items():
        np.testing.assert_allclose(rows[key] @ image @ columns[key].T, level, atol=1e-10)
