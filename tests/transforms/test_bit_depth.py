import pytest
import torch

from recessive.transforms import BitDepth

LEVELS = (torch.arange(256.0) / 255).view(1, 1, 16, 16).repeat(1, 3, 1, 1)


@pytest.mark.parametrize("bits", range(1, 9))
def test_the_real_operation_keeps_the_nearest_of_so_many_levels(bits):
    steps = 2**bits - 1
    naive = [round(round(level / 255 * steps) * 255 / steps) for level in range(256)]
    assert len(set(naive)) == 2**bits
    assert (BitDepth(bits).real(LEVELS)[0, 0].flatten() * 255).tolist() == pytest.approx(naive, abs=1e-4)
    assert float((BitDepth(bits)(LEVELS) - BitDepth(bits).real(LEVELS)).abs().max()) <= 0.5 / 255 + 1e-6


def test_the_gradient_is_the_identitys():
    pixels = LEVELS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(BitDepth(3)(pixels).sum(), pixels)
    torch.testing.assert_close(gradient, torch.ones_like(LEVELS))


def test_bits_out_of_range_are_refused():
    with pytest.raises(ValueError, match="1 to 8 bits per channel: 9"):
        BitDepth(9)
