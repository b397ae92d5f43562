import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from recessive import quality
from recessive.quality import coarse_ssim, l1, linf, mse, psnr, ssim


def photos(count=2, height=30, width=41, seed=0):
    """Smooth photos and noisy copies of them, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 6, generator=generator, dtype=torch.float64)
    first = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    noise = torch.randn(first.shape, generator=generator, dtype=torch.float64)
    strength = torch.linspace(0.02, 0.2, count, dtype=torch.float64).view(-1, 1, 1, 1)
    return first, (first + strength * noise).clamp(0, 1)


def naive_ssim(first, second):
    """Wang 2004, window by window, for one channel (H, W)."""
    places = np.arange(-5, 6)
    window = np.exp(-(places[:, None] ** 2 + places[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for top in range(first.shape[0] - 10):
        for left in range(first.shape[1] - 10):
            x, y = first[top : top + 11, left : left + 11], second[top : top + 11, left : left + 11]
            mean_x, mean_y = (window * x).sum(), (window * y).sum()
            var_x, var_y = (window * (x - mean_x) ** 2).sum(), (window * (y - mean_y) ** 2).sum()
            cov = (window * (x - mean_x) * (y - mean_y)).sum()
            c1, c2 = 0.01**2, 0.03**2
            found.append(
                (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
            )
    return np.mean(found)


def test_ssim_is_that_of_the_definition():
    first, second = photos(height=14, width=19)
    naive = [
        np.mean([naive_ssim(a.numpy(), b.numpy()) for a, b in zip(x, y, strict=True)])
        for x, y in zip(first, second, strict=True)
    ]
    assert ssim(first, second).tolist() == pytest.approx(naive, abs=1e-9)
    assert ssim(first.float(), second.float()).tolist() == pytest.approx(naive, abs=2e-5)


def test_ssim_is_that_of_scikit_image_away_from_the_border():
    first, second = photos()
    for i, figure in enumerate(ssim(first, second).tolist()):
        _, similar = structural_similarity(
            *(x[i].permute(1, 2, 0).numpy() for x in (first, second)),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=2,
            full=True,
        )
        assert figure == pytest.approx(similar[5:-5, 5:-5].mean(), abs=1e-9)


@pytest.mark.parametrize("pixels", [1, 41 * 7, 41 * 20])
def test_bands_of_rows_change_nothing(pixels, monkeypatch):
    first, second = photos()
    whole = ssim(first, second)
    monkeypatch.setattr(quality, "_TILE_PIXELS", pixels)
    torch.testing.assert_close(ssim(first, second), whole)


def test_ssim_is_symmetric_and_one_for_equal_photos():
    first, second = photos()
    torch.testing.assert_close(ssim(first, second), ssim(second, first))
    torch.testing.assert_close(ssim(first, first), torch.ones(2, dtype=torch.float64))
    assert bool((ssim(first, second) < 1).all())


def test_gradients_are_those_of_finite_differences():
    first, second = photos(count=1, height=12, width=13)
    for measure in (mse, psnr, ssim):
        assert torch.autograd.gradcheck(lambda x, measure=measure: measure(x, second), first.requires_grad_())


def test_pointwise_figures_are_those_of_the_definition():
    first, second = photos()
    for i in range(2):
        change = (first[i] - second[i]).numpy()
        assert float(mse(first, second)[i]) == pytest.approx((change**2).mean())
        assert float(l1(first, second)[i]) == pytest.approx(np.abs(change).mean())
        assert float(linf(first, second)[i]) == pytest.approx(np.abs(change).max())
        expected = peak_signal_noise_ratio(first[i].numpy(), second[i].numpy(), data_range=1)
        assert float(psnr(first, second)[i]) == pytest.approx(expected)


def test_a_shift_of_all_values_has_a_known_psnr():
    grey = torch.full((1, 3, 4, 5), 0.5)
    assert float(psnr(grey, grey + 8 / 255)) == pytest.approx(-20 * math.log10(8 / 255), abs=1e-4)
    assert float(psnr(grey, grey)) == math.inf


@pytest.mark.parametrize("measure", [mse, l1, linf, psnr, ssim])
def test_each_photo_is_measured_alone_and_wrong_pairs_are_refused(measure):
    first, second = photos()
    torch.testing.assert_close(measure(first, second)[1:], measure(first[1:], second[1:]))
    with pytest.raises(ValueError, match="one shape"):
        measure(first, second[:1])
    with pytest.raises(ValueError, match="one shape"):
        measure(first[0], second[0])
    with pytest.raises(ValueError, match=r"floats in \[0, 1\]"):
        measure((first * 255).to(torch.uint8), (second * 255).to(torch.uint8))


def test_ssim_refuses_photos_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11 × 11 pixels, not 40 × 10"):
        ssim(torch.rand(1, 3, 10, 40), torch.rand(1, 3, 10, 40))


def test_coarse_ssim_is_that_of_even_windows():
    first, second = photos(1, 20, 16)
    found = []
    for top in (0, 4, 8, 12):
        for left in (0, 4, 8):
            x, y = (part[0, :, top : top + 8, left : left + 8].flatten(1) for part in (first, second))
            mean_x, mean_y = x.mean(1), y.mean(1)
            var_x, var_y = x.var(1, correction=0), y.var(1, correction=0)
            cov = ((x - mean_x[:, None]) * (y - mean_y[:, None])).mean(1)
            light = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
            found.append(light * (2 * cov + 9e-4) / (var_x + var_y + 9e-4))
    assert coarse_ssim(first, second).item() == pytest.approx(torch.stack(found).mean().item())


def test_coarse_ssim_is_near_the_real_one_and_small_photos_are_one_window():
    first, second = photos(3, 60, 80)
    slightly = first + 0.15 * (second - first)
    assert ssim(first, slightly).min() < 0.9
    torch.testing.assert_close(coarse_ssim(first, slightly), ssim(first, slightly), atol=0.04, rtol=0)
    tiny = torch.rand(1, 3, 5, 3, generator=torch.Generator().manual_seed(0))
    assert coarse_ssim(tiny, tiny).item() == pytest.approx(1)
