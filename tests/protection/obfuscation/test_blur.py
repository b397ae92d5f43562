from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.protection.obfuscation import Blurring
from recessive.protection.obfuscation.blur import blur
from recessive.transforms import Blur


def naive(photo, sigma):
    """Each pixel as the weighted mean of those around it, the border repeated."""
    _, height, width = photo.shape
    found = torch.zeros_like(photo, dtype=torch.float64)
    radius = math.ceil(4 * sigma)
    offsets = [(dy, dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)]
    total = sum(math.exp(-(dy**2 + dx**2) / (2 * sigma**2)) for dy, dx in offsets)
    for y in range(height):
        for x in range(width):
            for dy, dx in offsets:
                weight = math.exp(-(dy**2 + dx**2) / (2 * sigma**2)) / total
                row, column = min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)
                found[:, y, x] += weight * photo[:, row, column]
    return found


def test_each_pixel_is_the_gaussian_mean_of_those_around_it(draw_grains):
    photos = draw_grains(1, 6, 8)
    torch.testing.assert_close(blur(photos, 0.5)[0].double(), naive(photos[0], 0.5), atol=1e-3, rtol=0)


def test_the_default_is_a_thirty_second_of_the_shorter_side(sample_photos, obfuscate):
    photos = sample_photos[..., :224, :300]
    torch.testing.assert_close(obfuscate(Blurring(), photos), Blur(7.0)(photos), atol=0.51 / 255, rtol=0)


@pytest.mark.parametrize("sigma", [16, 19.9])
def test_a_coarser_grid_changes_next_to_nothing(sigma, sample_photos):
    whole, coarse = Blur(sigma)(sample_photos), blur(sample_photos, sigma)
    away = 255 * (whole - coarse).abs()
    assert 0 < away.mean() < 0.1
    assert away.max() < 0.5


@pytest.mark.parametrize("sigma", [40.0, 100.0])
def test_the_blurred_step_of_a_large_photo_is_the_error_function(sigma):
    step = torch.zeros(1, 3, 90, 1000)
    step[..., 500:] = 1
    places = torch.arange(1000) + 0.5 - 500
    expected = 0.5 * (1 + torch.erf(places / (sigma * math.sqrt(2))))
    inner = slice(50, 950)  # beyond, the repeated border is seen
    found = blur(step, sigma)[0, 0, 45]
    assert (found - expected)[inner].abs().max() < 0.01


@given(share=st.floats(0, 0.5), height=st.integers(1, 40), width=st.integers(1, 40))
def test_no_value_leaves_the_range_of_the_photo(share, height, width, draw_grains, obfuscate):
    photos = draw_grains(1, height, width)
    found = obfuscate(Blurring(sigma=share), photos)
    for colour in range(3):
        assert photos[:, colour].min() <= found[:, colour].min() + 1e-6
        assert found[:, colour].max() <= photos[:, colour].max() + 1e-6
