import io

import pytest
import torch
from PIL import Image

from recessive.quality import l1, psnr
from recessive.transforms.jpeg import JPEG, _dct, _Quantise, quantisation_tables
from recessive.transforms.transform import to_bytes


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("quality", [1, 10, 25, 49, 50, 75, 90, 95, 100])
def test_it_agrees_with_libjpeg(quality, subsampling, photo):
    jpeg = JPEG(quality, subsampling)
    assert float(psnr(jpeg(photo), jpeg.real(photo))) > 49


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (8, 8), (33, 15), (97, 130), (211, 173)])
def test_any_size_agrees_with_libjpeg(size, subsampling, photo):
    part = photo[..., 20 : 20 + size[0], 30 : 30 + size[1]]
    for quality in (30, 75, 95):
        jpeg = JPEG(quality, subsampling)
        assert jpeg(part).shape == part.shape
        # In a small photo one coefficient on the edge between two levels counts for much.
        assert float(l1(jpeg(part), jpeg.real(part))) < 0.5 / 255


@pytest.mark.parametrize("quality", range(1, 101))
def test_tables_are_those_of_libjpeg(quality, photo):
    stored = io.BytesIO()
    Image.fromarray(to_bytes(photo[..., :8, :8])[0]).save(stored, "JPEG", quality=quality)
    tables = Image.open(stored).quantization
    assert quantisation_tables(quality).view(2, 64).tolist() == [tables[0], tables[1]]


def test_less_quality_leaves_less(photo):
    left = [float(psnr(JPEG(quality)(photo), photo)) for quality in (10, 30, 50, 75, 90, 100)]
    assert left == sorted(left)


@pytest.mark.parametrize("place", [0, 1, 8, 37, 63])
@pytest.mark.parametrize(("share", "slope"), [(0.125, 0.25), (0.25, 0.5), (-0.375, 0.75), (1.25, 1), (-3, 1)])
def test_what_is_rounded_to_nothing_earns_a_smaller_gradient(place, share, slope):
    step = 16.0
    basis = _dct()[place].view(1, 1, 8, 8)
    planes = (share * step * basis).requires_grad_()
    decoded = _Quantise.apply(planes, torch.full((8, 8), step))
    torch.testing.assert_close(decoded.detach(), round(share) * step * basis)
    (gradient,) = torch.autograd.grad((decoded * basis).sum(), planes)
    torch.testing.assert_close(gradient, slope * basis, rtol=1e-4, atol=1e-6)


def test_a_grey_shift_passes_whole():
    """The mean of a block survives, so its gradient is the identity's."""
    pixels = torch.full((1, 3, 16, 16), 90 / 255, requires_grad=True)
    (gradient,) = torch.autograd.grad(JPEG(75)(pixels).sum(), pixels)
    torch.testing.assert_close(gradient.sum(1), torch.full((1, 16, 16), 3.0), rtol=1e-4, atol=1e-4)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match=r"jpeg takes a quality of 1 to 100, and .*: 0$"):
        JPEG(0)
    with pytest.raises(ValueError, match="4:2:0 or 4:4:4: 4:1:1"):
        JPEG(75, "4:1:1")
