from __future__ import annotations

import numpy as np
import pytest

from recessive.protection.keypoints.rdg.detector import differences
from recessive.protection.keypoints.rdg.jacobian import Axis, jacobians, tents


def spread(changes, octave):
    """Changes at the octave's samples to changes of pixels: np.interp along rows, then along columns."""
    pitch = 2 ** max(octave, 0)
    count = len(changes)
    samples = np.arange(-1, count + 1) * pitch
    pixels = np.arange(1 - pitch, count * pitch)
    down = np.stack([np.interp(pixels, samples, [0, *column, 0]) for column in changes.T], 1)
    return np.stack([np.interp(pixels, samples, [0, *row, 0]) for row in down])


@pytest.mark.parametrize("octave", [-1, 0, 1, 2])
def test_tents_interpolate(octave):
    changes = np.random.default_rng(0).normal(size=(7, 7))
    own = tents(7, octave)
    np.testing.assert_allclose(own @ changes @ own.T, spread(changes, octave), atol=1e-12)


def test_variables_of_octave_0_are_pixels():
    assert np.array_equal(tents(7, 0), np.eye(7))


@pytest.mark.parametrize(("first", "octave"), [(-1, -1), (-1, 0), (-1, 2), (0, 0), (0, 1), (0, 2)])
@pytest.mark.parametrize("size", [(44, 61), (203, 170)])
@pytest.mark.parametrize("reach", [1, 3])
def test_the_jacobian_is_what_a_pyramid_of_the_changed_photo_shows(first, octave, size, reach):
    generator = np.random.default_rng(octave + 10)
    image = generator.random(size) * 255
    before = dict(differences(image, first, (octave,)))[octave]
    down, across = (Axis(length, first, octave) for length in size)
    assert before.shape[1:] == (down.samples, across.samples)
    near = 2 * reach if octave < 0 else reach
    edges = [near, near + 1, down.samples // 2, down.samples - 1 - near, down.samples - 2 - near]
    rows = np.array(edges)
    columns = np.array([near, across.samples // 2 + 1, across.samples // 2, across.samples - 1 - near, near + 2])
    assert down.fits(rows, reach).all()
    assert across.fits(columns, reach).all()
    moves, whose = jacobians(down, across, rows, columns, reach)
    around = np.arange(-reach, reach + 1)
    pitch = 2 ** max(octave, 0)
    for row, column, own in zip(rows, columns, whose, strict=True):
        changes = generator.normal(size=(2 * reach + 1, 2 * reach + 1))
        wide = np.pad(image, 40)
        part = spread(changes, octave)
        finer = 2 ** max(-octave, 0)
        top, left = (40 + pitch * (place // finer - reach) + 1 - pitch for place in (row, column))
        wide[top : top + len(part), left : left + len(part)] += part
        changed = np.ascontiguousarray(wide[40:-40, 40:-40])
        after = dict(differences(changed, first, (octave,)))[octave]
        seen = (after - before)[:, row + around[:, None], column + around].ravel()
        np.testing.assert_allclose(moves[own] @ changes.ravel(), seen, atol=1e-9)
        assert np.abs(seen).max() > 1e-3


def test_places_far_from_the_borders_share_one_jacobian():
    axis = Axis(1000, 0, 0)
    places = np.array([50, 400, 401, 949])
    moves, whose = jacobians(axis, axis, places, places, 3)
    assert len(moves) == 1
    assert whose.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("octave", "inside"), [(0, range(3, 17)), (1, range(3, 7)), (-1, range(6, 34))])
def test_blocks_fit_where_all_their_samples_and_variables_lie_inside(octave, inside):
    axis = Axis(20, min(octave, 0), octave)
    fitting = np.nonzero(axis.fits(np.arange(axis.samples), 3))[0]
    assert fitting.tolist() == list(inside)
