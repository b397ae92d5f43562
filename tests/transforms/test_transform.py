"""The grid that a change lives on."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.transforms.transform import enlarge, grey, shrink

SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(SIZES, st.integers(1, 64))
def test_a_photo_is_brought_down_to_the_grid_and_never_enlarged(size, grid):
    pixels = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    small = shrink(pixels, grid)
    assert max(small.shape[-2:]) == min(max(size), grid)
    torch.testing.assert_close(small * 255, (small * 255).round(), rtol=0, atol=1e-3)
    if max(size) <= grid:
        assert (small - pixels).abs().max() <= 0.5 / 255 + 1e-6


def test_shrinking_keeps_the_shape():
    assert shrink(torch.zeros(1, 3, 300, 400), 100).shape == (1, 3, 75, 100)
    assert shrink(torch.zeros(1, 3, 2, 4000), 100).shape == (1, 3, 1, 100)


@given(SIZES)
def test_an_enlarged_change_exceeds_none_of_its_values(size):
    change = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0)) - 0.5
    large = enlarge(change, size)
    assert large.shape == (1, 3, *size)
    assert change.min() - 1e-6 <= large.min()
    assert large.max() <= change.max() + 1e-6


def test_a_change_of_the_same_size_is_not_touched():
    change = torch.rand(1, 3, 5, 7)
    assert enlarge(change, (5, 7)) is change


def test_grey_is_the_mean_of_the_channels():
    pixels = torch.tensor([0.0, 0.3, 0.9]).view(1, 3, 1, 1)
    assert grey(pixels).flatten().tolist() == pytest.approx([0.4] * 3)
