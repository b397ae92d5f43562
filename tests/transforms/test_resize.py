import pytest
import torch

from recessive.quality import psnr
from recessive.transforms import Resize


@pytest.mark.parametrize("factor", [0.11, 0.5, 0.73, 1.5])
def test_it_agrees_with_pillow(factor, photo):
    resize = Resize(factor)
    assert float(psnr(resize(photo), resize.real(photo))) > 54


def test_sides_are_rounded_and_never_vanish(photo):
    assert Resize(0.5)(photo[..., :7, :10]).shape == (1, 3, 4, 5)
    assert Resize(0.05)(photo[..., :3, :30]).shape == (1, 3, 1, 2)


def test_factor_one_and_flat_photos_stay(photo):
    torch.testing.assert_close(Resize(1)(photo), photo)
    flat = torch.full((1, 3, 20, 31), 0.3)
    torch.testing.assert_close(Resize(0.4)(flat), torch.full((1, 3, 8, 12), 0.3))


def test_a_factor_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"0\.05 to 4: 9"):
        Resize(9)
