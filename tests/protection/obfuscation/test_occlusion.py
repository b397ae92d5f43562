from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recessive.protection.obfuscation import Occlusion
from recessive.protection.obfuscation.occlusion import OCCLUSION_WHITE, cover


@pytest.mark.parametrize(("method", "level"), [(Occlusion(), 0), (OCCLUSION_WHITE, 1)], ids=["black", "white"])
def test_the_middle_half_of_each_side_is_covered_and_the_rest_kept(method, level, draw_grains, obfuscate):
    photos = draw_grains(2, 8, 12)
    found = obfuscate(method, photos)
    for row in range(8):
        for column in range(12):
            covered = 2 <= row < 6 and 3 <= column < 9
            before, after = photos[:, :, row, column], found[:, :, row, column]
            assert (after == (level if covered else before)).all()


@given(height=st.integers(1, 40), width=st.integers(1, 40), share=st.floats(0, 1))
def test_as_much_is_covered_as_asked_for_and_it_is_central(height, width, share, draw_grains):
    photos = (draw_grains(1, height, width) + 1) / 2  # none is black
    black = cover(photos, share, 0)[0, 0] == 0
    rows, columns = black.any(1).nonzero().flatten(), black.any(0).nonzero().flatten()
    assert len(rows) == max(1, round(share * height))
    assert len(columns) == max(1, round(share * width))
    assert black.sum() == len(rows) * len(columns)
    assert 0 <= (height - 1 - rows[-1]) - rows[0] <= 1
    assert 0 <= (width - 1 - columns[-1]) - columns[0] <= 1
