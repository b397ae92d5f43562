"""The published steps of α."""

from __future__ import annotations

import pytest

from recessive.protection.objectives.sharpening import sharpness


@pytest.mark.parametrize("steps", [100, 2000])
def test_alpha_is_a_tenth_for_half_of_the_run_and_then_grows_every_tenth(steps):
    published = [(0.5, 0.1), (0.6, 0.2), (0.7, 0.3), (0.8, 0.5), (0.9, 0.7), (1.0, 1.0)]  # up to which share
    for i in range(steps):
        expected = next(alpha for share, alpha in published if i < round(share * steps))
        assert sharpness(i / steps) == expected, i
    assert sharpness(1.0) == 1.0
