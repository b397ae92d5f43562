"""Uniform and Gaussian noise, and Gaussian noise of a wanted SSIM."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import kstest

from recessive.protection.method import MethodError
from recessive.protection.obfuscation import GaussianNoise, GaussianNoiseSSIM, UniformNoise
from recessive.protection.obfuscation.gaussian_noise import draw_normal
from recessive.quality import ssim

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
        noise = draw_normal(photos[row], seed).flatten().tolist()
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
    noise = draw_normal(photos[0], 5)
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


@pytest.mark.parametrize("target", [-0.5, 1.5])
def test_targets_that_no_noise_reaches_are_refused(target, draw_photos, obfuscate):
    with pytest.raises(MethodError, match=f"gaussian-noise-ssim: noise brings SSIM to .*, not to {target}"):
        obfuscate(GaussianNoiseSSIM(target=target), draw_photos(1, 24, 32, seed=0))
