import math

import pytest
import torch

from recessive.quality import psnr
from recessive.transforms import Blur


@pytest.mark.parametrize("sigma", [0.5, 1, 2.5, 6])
def test_it_agrees_with_pillow(sigma, photo):
    blur = Blur(sigma)
    assert float(psnr(blur(photo), blur.real(photo))) > 45


@pytest.mark.parametrize("sigma", [0.7, 1.5])
def test_a_point_becomes_a_gaussian(sigma):
    point = torch.zeros(1, 3, 21, 21)
    point[..., 10, 10] = 1
    spread = Blur(sigma)(point)[0, 1]
    places = torch.arange(-10, 11)
    naive = torch.exp(-(places[:, None] ** 2 + places[None] ** 2) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
    torch.testing.assert_close(spread, naive, rtol=0, atol=2e-3)
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)


def test_flat_photos_stay_however_small():
    flat = torch.full((1, 3, 2, 1), 0.6)
    torch.testing.assert_close(Blur(3)(flat), flat)


def test_a_sigma_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"0\.1 to 20 pixels: 0"):
        Blur(0)
