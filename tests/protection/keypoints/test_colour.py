from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.encoders import grey_levels
from recessive.protection.keypoints.colour import GREY, least_change, recover_colour

both_ways = pytest.mark.parametrize("recolour", [recover_colour, least_change])


def one_pixel(recolour, colour, level, weights=GREY):
    photo = torch.tensor(colour, dtype=torch.float32).view(3, 1, 1) / 255
    before = np.array([[-1]])
    return (255 * recolour(photo, before, np.array([[level]]), weights).flatten()).round().tolist()


@pytest.mark.parametrize(
    ("colour", "level", "expected"),
    [
        ((100, 50, 200), 41, (50, 25, 100)),  # 82.05 to 41: α = 0.49970
        ((60, 80, 40), 105, (91, 121, 60)),  # 69.46 to 105: α = 1.51166
        ((90, 90, 90), 33, (33, 33, 33)),
        # 139.15 to 209: 375.5, 150.2, 75.1. Red stops at 255; the missing 0.299 · 120.5 over 0.701 is 51.4 for each.
        ((250, 100, 50), 209, (255, 202, 126)),
        # 226.67 to 250: 281.2, 275.7, 110.3 all but blue: it takes 0.299 · 26.2 + 0.587 · 20.7 over 0.114 = 175.3 but
        # first red fills, then green: blue alone has 250 − 0.886 · 255 = 24.07 over 0.114 = 211.1
        ((255, 250, 100), 250, (255, 255, 211)),
        ((255, 0, 0), 255, (255, 255, 255)),
        ((0, 0, 5), 7, (7, 7, 7)),  # a grey of 0.57 has no colour
        ((0, 0, 0), 12, (12, 12, 12)),
        ((120, 7, 30), 0, (0, 0, 0)),
    ],
)
def test_channels_keep_their_ratio_and_the_excess_goes_to_the_others(colour, level, expected):
    assert one_pixel(recover_colour, colour, level) == list(expected)


@pytest.mark.parametrize(
    ("colour", "level", "expected"),
    [
        # w·w = 0.446966; λ = 10 / w·w = 22.373, w λ = 6.69, 13.13, 2.55
        ((100, 100, 100), 110, (107, 113, 103)),
        ((100, 100, 100), 90, (93, 87, 97)),
        # 219.3 to 230: green is full already, (230 − 219.35) / (0.299² + 0.114²) = 104.0 for the others
        ((200, 255, 86), 230, (231, 255, 98)),
        ((0, 0, 0), 0, (0, 0, 0)),
        ((10, 0, 0), 0, (0, 0, 0)),
        ((255, 255, 0), 255, (255, 255, 255)),
    ],
)
def test_the_nearest_colour_moves_along_the_weights_inside_the_range(colour, level, expected):
    assert one_pixel(least_change, colour, level) == list(expected)


def nearest(colour, level):
    """x + λ w, clipped, with λ by bisection."""
    weights = np.array(GREY)
    low, high = -3000.0, 3000.0
    for _ in range(60):
        middle = (low + high) / 2
        found = (colour + middle * weights).clip(0, 255)
        low, high = (middle, high) if weights @ found < level else (low, middle)
    return found


colours = st.lists(st.integers(0, 255), min_size=3, max_size=3)


@given(colours, st.integers(0, 255))
def test_least_change_is_the_constrained_optimum(colour, level):
    found = one_pixel(least_change, colour, level)
    assert np.abs(np.array(found) - nearest(np.array(colour), level)).max() < 1.01  # of rounding


@both_ways
@given(seed=st.integers(0, 10_000), dark=st.booleans())
def test_the_detector_sees_just_the_levels_asked_for(recolour, seed, dark):
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 20 if dark else 256, (3, 16, 16))
    pixels[generator.random((3, 16, 16)) < 0.2] = 255 * (1 - dark)
    photo = torch.from_numpy(pixels).float() / 255
    before = grey_levels(photo)
    after = generator.integers(0, 256, before.shape).astype(np.uint8)
    found = recolour(photo, before, after)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert torch.equal((found * 255).round() / 255, found)
    np.testing.assert_array_equal(grey_levels(found), after)


@both_ways
def test_pixels_whose_level_stays_are_not_touched(recolour):
    photo = torch.rand(3, 9, 11, generator=torch.Generator().manual_seed(0))  # not on the grid
    before = grey_levels(photo)
    after = before.copy()
    after[4, 5] += 3
    kept = photo.clone()
    found = recolour(photo, before, after)
    assert torch.equal(photo, kept)
    changed = (found != photo).any(0)
    assert changed[4, 5]
    assert changed.sum() == 1


def test_a_grey_photo_stays_grey():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    photo = torch.from_numpy(levels).float().expand(3, 16, 16) / 255
    after = levels[::-1, ::-1].copy()
    found = recover_colour(photo, levels, after)
    assert torch.equal(found, torch.from_numpy(after).float().expand(3, 16, 16) / 255)


def test_the_papers_weights_are_an_argument():
    # 0.30 · 100 + 0.59 · 50 + 0.11 · 200 = 81.5 to 163: twice the colour, but 400 is 255: 0.11 · 145 / 0.89 = 17.9 more
    assert one_pixel(recover_colour, (100, 50, 200), 163, (0.30, 0.59, 0.11)) == [218, 118, 255]


@both_ways
@pytest.mark.parametrize(("before", "after"), [((4, 5), (4, 4)), ((5, 4), (5, 4)), ((4, 4), (4, 5))])
def test_sizes_that_differ_are_refused(recolour, before, after):
    photo = torch.zeros(3, 4, 5)
    with pytest.raises(ValueError, match=r"grey levels \(\d, \d\) and \(\d, \d\) do not fit a photo"):
        recolour(photo, np.zeros(before), np.zeros(after))
