from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.protection.obfuscation import Scrambling
from recessive.protection.obfuscation.scrambling import scramble


def pieces(photo, side):
    """Blocks by place: (top, left) to (3, h, w)."""
    _, height, width = photo.shape
    return {
        (top, left): photo[:, top : top + side, left : left + side]
        for top in range(0, height, side)
        for left in range(0, width, side)
    }


def numbered(height, width):
    """A photo each of whose pixels is another."""
    return torch.arange(3.0 * height * width).view(3, height, width)


@given(height=st.integers(1, 30), width=st.integers(1, 30), side=st.integers(2, 9), seed=st.integers(0, 99))
def test_it_is_a_permutation_of_whole_blocks_of_one_size_none_of_which_stays(height, width, side, seed):
    photo = numbered(height, width)
    before, after = pieces(photo, side), pieces(scramble(photo, side, seed), side)
    found = {}
    for place, block in after.items():
        of_this_size = {key: other for key, other in before.items() if other.shape == block.shape}
        (found[place],) = [key for key, other in of_this_size.items() if torch.equal(other, block)]
        assert (found[place] != place) == (len(of_this_size) > 1)
    assert sorted(found.values()) == sorted(before)


def test_every_place_can_be_the_next():
    """Two whole blocks can only change places; of three, either other one may follow the first."""
    seen = {int(scramble(numbered(2, 6), 2, seed)[0, 0, 0]) for seed in range(20)}
    assert seen == {2, 4}


def test_colours_stay_together_and_photos_are_scrambled_by_their_own_seeds(draw_grains, obfuscate):
    photos = draw_grains(1, 24, 32).expand(2, -1, -1, -1)
    found = obfuscate(Scrambling(), photos)
    colours = [{tuple(colour) for colour in part.flatten(1).T.tolist()} for part in (photos[0], *found)]
    assert colours[0] == colours[1] == colours[2]
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found[1], obfuscate(Scrambling(), photos[1:], seed=6)[0])
    assert pytest.approx(float(photos[0].mean()), abs=1e-5) == float(found[0].mean())
