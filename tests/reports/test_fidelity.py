"""Fidelity as reports have it."""

import math

import pytest
import torch

from recessive.quality import ssim
from recessive.reports.fidelity import fidelity


def test_figures_are_those_of_the_formulas_in_the_units_of_reports():
    before = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0))
    after = (before + 3 / 255).clamp(0, 1)
    near = fidelity(before, after)
    change = 255 * (after - before)
    assert near.linf == 3
    assert near.psnr == pytest.approx(10 * math.log10(255**2 / float(change.square().mean())), abs=1e-3)
    assert near.ssim == pytest.approx(float(ssim(before[None], after[None])), abs=1e-5)


def test_a_photo_that_did_not_change_has_no_psnr():
    photo = torch.rand(3, 20, 30)
    near = fidelity(photo, photo)
    assert (near.linf, near.psnr, near.ssim) == (0, None, 1)


def test_photos_too_small_for_ssim_have_none():
    assert fidelity(torch.zeros(3, 10, 30), torch.ones(3, 10, 30)).ssim is None
    assert fidelity(torch.zeros(3, 11, 30), torch.zeros(3, 11, 30)).ssim == 1


def test_photos_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        fidelity(torch.zeros(3, 11, 30), torch.zeros(3, 12, 30))
