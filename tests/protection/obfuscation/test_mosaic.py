from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.protection.obfuscation import Mosaic
from recessive.protection.obfuscation.mosaic import pixelate


def naive(photos, side):
    found = photos.double().clone()
    for top in range(0, photos.shape[2], side):
        for left in range(0, photos.shape[3], side):
            block = found[:, :, top : top + side, left : left + side]
            block[:] = block.clone().mean(dim=(2, 3), keepdim=True)
    return found


@pytest.mark.parametrize(("size", "side"), [((12, 20), 4), ((13, 22), 4), ((3, 5), 7), ((9, 1), 2)])
def test_each_block_is_its_mean_whatever_the_size(size, side, draw_grains):
    photos = draw_grains(2, *size)
    torch.testing.assert_close(pixelate(photos, side).double(), naive(photos, side), atol=1e-6, rtol=0)


def test_the_default_block_is_an_eighth_of_the_shorter_side(draw_grains, obfuscate):
    photos = draw_grains(1, 24, 32)
    rounded = obfuscate(Mosaic(), photos).double()
    torch.testing.assert_close(255 * rounded, 255 * naive(photos, 3), atol=0.501, rtol=0)


@given(height=st.integers(1, 40), width=st.integers(1, 40), block=st.sampled_from([0.05, 0.125, 0.3, 1.0, 2.0]))
def test_a_mosaic_of_a_mosaic_is_the_same(height, width, block, draw_grains, obfuscate):
    once = obfuscate(Mosaic(block=block), draw_grains(1, height, width))
    assert torch.equal(obfuscate(Mosaic(block=block), once), once)


def test_large_blocks_do_not_round_away_from_their_mean():
    flat = torch.full((1, 3, 700, 700), 201 / 255)
    assert (pixelate(flat, 350) - flat).abs().max() * 255 < 0.01
