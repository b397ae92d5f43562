"""What all obfuscations promise, beside the test of the contract over all methods."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.balls import LInf
from recessive.protection.method import MethodError, Run
from recessive.protection.obfuscation import OBFUSCATIONS
from recessive.protection.obfuscation.blocks import block_side
from recessive.quality import psnr

# Huang et al., Fig. 3; the others have no published figure.
PUBLISHED = {
    "mosaic": 16.66,
    "brightness": 13.02,
    "transparency": 18.28,
    "uniform-noise": 24.53,
    "gaussian-noise": 24.53,
}
# of the building and of the flower; what `departures` say
MEASURED = {
    "mosaic": (16.3, 18.2),
    "brightness": (12.7, 13.1),
    "transparency": (19.1, 16.0),
    "uniform-noise": (24.4, 24.6),
    "gaussian-noise": (24.6, 24.7),
}
BY_NAME = {method.name: method for method in OBFUSCATIONS}
each = pytest.mark.parametrize("method", OBFUSCATIONS, ids=BY_NAME)


def test_each_has_its_own_name():
    assert len(BY_NAME) == len(OBFUSCATIONS) == 11


@pytest.mark.parametrize("name", PUBLISHED)
def test_fidelity_is_near_the_published_one_and_as_the_departures_say(name, sample_photos, obfuscate):
    method = BY_NAME[name]
    found = psnr(obfuscate(method, sample_photos), sample_photos)
    assert found.tolist() == pytest.approx(MEASURED[name], abs=0.1)
    assert found.mean().item() == pytest.approx(PUBLISHED[name], abs=0.8)
    for figure in MEASURED[name]:
        assert f"{figure:.1f}" in method.departures
    assert f"{PUBLISHED[name]} dB" in method.departures


@each
def test_nothing_was_minimised(method, draw_photos):
    photos = draw_photos(2, 24, 32, seed=0)
    found = method(photos, [], Run(LInf(255), 50, [1, 2]))
    assert found.steps.tolist() == [0, 0]
    assert found.losses.tolist() == [0, 0]
    assert found.done.tolist() == [True, True]
    assert found.broken.tolist() == [False, False]


@each
def test_a_budget_clips_what_no_budget_allows(method, draw_photos, obfuscate):
    photos = draw_photos(2, 24, 32, seed=0)
    free, clipped = obfuscate(method, photos), obfuscate(method, photos, budget=8)
    expected = torch.maximum(torch.minimum(255 * free, 255 * photos + 8), 255 * photos - 8)
    torch.testing.assert_close(255 * clipped, expected, atol=1e-3, rtol=0)
    assert not torch.equal(free, clipped)


@each
def test_a_seed_a_photo_is_asked_for(method, draw_photos):
    with pytest.raises(MethodError, match="one seed a photo is needed: 1 for 2 photos"):
        method(draw_photos(2, 24, 32, seed=0), [], Run(LInf(255), 0, [1]))


@pytest.mark.parametrize("name", ["uniform-noise", "gaussian-noise", "gaussian-noise-ssim", "scrambling"])
def test_what_is_random_comes_from_the_seed(name, draw_grains, obfuscate):
    photos = draw_grains(1, 24, 32)
    first, again, other = (obfuscate(BY_NAME[name], photos, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("method", [m for m in OBFUSCATIONS if m.name != "gaussian-noise-ssim"], ids=lambda m: m.name)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_photos_of_any_size_stay_photos_of_that_size(method, height, width, seed, draw_grains, obfuscate):
    photos = draw_grains(1, height, width, seed)
    found = obfuscate(method, photos)
    assert found.shape == photos.shape
    assert torch.equal(found, (255 * found).round() / 255)
    assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize(("size", "side"), [((224, 300), 28), ((300, 224), 28), ((427, 640), 53), ((3, 900), 2)])
def test_blocks_are_a_share_of_the_shorter_side(size, side):
    assert block_side(torch.zeros(1, 3, *size), 1 / 8) == side
