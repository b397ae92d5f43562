"""Obfuscations: what all of them promise beside the contract of methods, and each against a naive version."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.datasets import load_sample_images

from recessive.balls import LInf
from recessive.protection.method import MethodError, Run
from recessive.protection.obfuscation import (
    DARKENING,
    OBFUSCATIONS,
    OCCLUSION_WHITE,
    Blurring,
    Brightness,
    GaussianNoise,
    GaussianNoiseSSIM,
    Mosaic,
    Occlusion,
    Scrambling,
    Transparency,
    UniformNoise,
    block_side,
    blur,
    cover,
    draw_normal,
    pixelate,
    scramble,
)
from recessive.quality import psnr, ssim
from recessive.transforms import Blur


@pytest.fixture(scope="session")
def sample_photos():
    """A building and a flower (2, 3, 427, 640)."""
    pixels = torch.stack([torch.from_numpy(image.copy()) for image in load_sample_images().images])
    return pixels.permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="session")
def draw_grains():
    """Photos (count, 3, height, width) on the grid, every value drawn on its own."""

    def draw(count, height, width, seed=0):
        levels = torch.randint(256, (count, 3, height, width), generator=torch.Generator().manual_seed(seed))
        return levels / 255

    return draw


@pytest.fixture(scope="session")
def obfuscate():
    """Protected photos of a method without an encoder."""

    def run(method, photos, budget=255.0, seed=5):
        seeds = list(range(seed, seed + len(photos)))
        return method(photos, [], Run(LInf(budget), 0, seeds)).photos

    return run


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
    with pytest.raises(MethodError, match="each photo needs one seed: there are 1 for 2 photos"):
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


def each_block_its_mean(photos, side):
    found = photos.double().clone()
    for top in range(0, photos.shape[2], side):
        for left in range(0, photos.shape[3], side):
            block = found[:, :, top : top + side, left : left + side]
            block[:] = block.clone().mean(dim=(2, 3), keepdim=True)
    return found


@pytest.mark.parametrize(("size", "side"), [((12, 20), 4), ((13, 22), 4), ((3, 5), 7), ((9, 1), 2)])
def test_each_block_is_its_mean_whatever_the_size(size, side, draw_grains):
    photos = draw_grains(2, *size)
    torch.testing.assert_close(pixelate(photos, side).double(), each_block_its_mean(photos, side), atol=1e-6, rtol=0)


def test_the_default_block_is_an_eighth_of_the_shorter_side(draw_grains, obfuscate):
    photos = draw_grains(1, 24, 32)
    rounded = obfuscate(Mosaic(), photos).double()
    torch.testing.assert_close(255 * rounded, 255 * each_block_its_mean(photos, 3), atol=0.501, rtol=0)


@given(height=st.integers(1, 40), width=st.integers(1, 40), block=st.sampled_from([0.05, 0.125, 0.3, 1.0, 2.0]))
def test_a_mosaic_of_a_mosaic_is_the_same(height, width, block, draw_grains, obfuscate):
    once = obfuscate(Mosaic(block=block), draw_grains(1, height, width))
    assert torch.equal(obfuscate(Mosaic(block=block), once), once)


def test_large_blocks_do_not_round_away_from_their_mean():
    flat = torch.full((1, 3, 700, 700), 201 / 255)
    assert (pixelate(flat, 350) - flat).abs().max() * 255 < 0.01


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


def gaussian_mean(photo, sigma):
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
    torch.testing.assert_close(blur(photos, 0.5)[0].double(), gaussian_mean(photos[0], 0.5), atol=1e-3, rtol=0)


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


LEVELS = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255


@pytest.mark.parametrize(
    ("method", "formula"),
    [
        (Brightness(), lambda level: 2 * level),
        (DARKENING, lambda level: level / 2),
        (Transparency(), lambda level: (4 * level + 255) / 5),
    ],
    ids=["brightness", "darkening", "transparency"],
)
def test_each_level_becomes_that_of_the_formula(method, formula, obfuscate):
    found = (255 * obfuscate(method, LEVELS)[0, 0]).flatten().tolist()
    away = [abs(a - b) for a, b in zip(found, map(formula, range(256)), strict=True) if b <= 255]
    assert max(away) <= 0.5 + 1e-3
    assert max(found) <= 255


@given(gain=st.floats(0, 1), share=st.floats(0, 1))
def test_darkening_never_brightens_and_transparency_never_darkens(gain, share, obfuscate):
    assert (obfuscate(Brightness(gain=gain), LEVELS) <= LEVELS).all()
    assert (obfuscate(Transparency(share=share), LEVELS) >= LEVELS).all()


@given(gain=st.floats(1, 300))
def test_brightness_never_darkens_and_ends_at_white(gain, obfuscate):
    found = obfuscate(Brightness(gain=gain), LEVELS)
    assert (found >= LEVELS).all()
    assert (found[LEVELS * gain >= 1] == 1).all()


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


GREY = torch.full((1, 3, 100, 100), 128 / 255)


def changes(method, obfuscate):
    """In levels, of a grey photo, which nothing clamps."""
    return (255 * (obfuscate(method, GREY) - GREY)).flatten()


def test_uniform_noise_has_every_level_up_to_its_amplitude_equally_often(obfuscate):
    found = changes(UniformNoise(), obfuscate)
    assert found.abs().max() == pytest.approx(28, abs=1e-3)
    dithered = found + torch.rand(found.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    assert kstest(dithered.numpy(), "uniform", (-28, 56)).pvalue > 0.01


def test_gaussian_noise_is_that_of_its_sigma(obfuscate):
    found = changes(GaussianNoise(), obfuscate)
    dithered = found + torch.rand(found.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    assert kstest(dithered.numpy(), "norm", (0, 16)).pvalue > 0.01


def test_gaussian_noise_is_clamped_and_rounded_value_by_value(draw_grains, obfuscate):
    photos = draw_grains(2, 5, 6)
    found = obfuscate(GaussianNoise(sigma=40), photos)
    for row, seed in enumerate((5, 6)):
        noise = draw_normal(photos[row][None], [seed]).flatten().tolist()
        for level, drawn, got in zip(
            (255 * photos[row]).flatten().tolist(), noise, (255 * found[row]).flatten(), strict=True
        ):
            assert abs(min(255, max(0, level + 40 * drawn)) - got) <= 0.5 + 1e-3


def test_each_photo_gets_as_much_noise_as_its_ssim_takes(sample_photos, obfuscate):
    photos = sample_photos[..., ::2, ::2]
    found = obfuscate(GaussianNoiseSSIM(), photos)
    assert ssim(found, photos).tolist() == pytest.approx([0.68, 0.68], abs=5e-4)
    strengths = (found - photos).square().mean(dim=(1, 2, 3)).sqrt()
    assert strengths[0] > 1.5 * strengths[1]  # the building has more texture to drown


@pytest.mark.parametrize("target", [0.1, 0.65, 0.71, 0.95])
@pytest.mark.parametrize("seed", [5, 6])
def test_other_targets_are_reached_too(target, seed, draw_photos, obfuscate):
    photos = draw_photos(2, 30, 41, seed=3)
    found = obfuscate(GaussianNoiseSSIM(target=target), photos, seed=seed)
    assert ssim(found, photos).tolist() == pytest.approx([target] * 2, abs=2e-3)


def test_the_noise_keeps_its_direction_and_changes_its_strength_alone(obfuscate):
    """One sigma explains every value that the grid has rounded."""
    photos = GREY[..., :20, :20]
    noise = draw_normal(photos, [5])[0]
    strengths = []
    for target in (0.9, 0.68, 0.4):
        change = 255 * (obfuscate(GaussianNoiseSSIM(target=target), photos) - photos)[0]
        bounds = torch.stack([(change - 0.501) / noise, (change + 0.501) / noise])
        lowest, highest = bounds.amin(0).max(), bounds.amax(0).min()
        assert lowest <= highest
        strengths.append(lowest.item())
    assert strengths[0] > 1
    assert strengths == sorted(strengths)


@pytest.mark.parametrize("flat", [0.0, 128 / 255, 1.0])
def test_flat_photos_and_those_of_one_window_are_reached_too(flat, obfuscate):
    photos = torch.full((1, 3, 11, 11), flat)
    assert ssim(obfuscate(GaussianNoiseSSIM(), photos), photos).item() == pytest.approx(0.68, abs=5e-3)


@pytest.mark.parametrize("size", [(10, 30), (30, 10), (1, 1)])
def test_photos_smaller_than_the_window_are_refused(size, draw_grains, obfuscate):
    with pytest.raises(MethodError, match=f"at least 11 × 11 pixels, not {size[1]} × {size[0]}; gaussian-noise needs"):
        obfuscate(GaussianNoiseSSIM(), draw_grains(1, *size))


@pytest.mark.parametrize("target", [-0.5, 1.0])
def test_targets_that_no_noise_reaches_are_refused(target, draw_photos, obfuscate):
    with pytest.raises(MethodError, match=f"gaussian-noise-ssim: noise results in an SSIM .*, never in {target:g}"):
        obfuscate(GaussianNoiseSSIM(target=target), draw_photos(1, 24, 32, seed=0))


def test_an_ssim_beyond_1_is_refused():
    with pytest.raises(MethodError, match=r"target of gaussian-noise-ssim must be a number from -1 to 1, not 1\.5"):
        GaussianNoiseSSIM(target=1.5)
