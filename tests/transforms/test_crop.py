import pytest
import torch

from recessive.transforms import Crop


@pytest.mark.parametrize(
    ("size", "share", "kept"), [((10, 20), 0.5, (5, 10)), ((9, 9), 0.9, (8, 8)), ((3, 3), 0.1, (1, 1))]
)
def test_the_middle_is_kept(size, share, kept):
    pixels = torch.arange(3 * size[0] * size[1]).view(1, 3, *size) % 256 / 255.0
    cropped = Crop(share)(pixels)
    assert cropped.shape[-2:] == kept
    top, left = ((size[i] - kept[i]) // 2 for i in (0, 1))
    for y in range(kept[0]):
        for x in range(kept[1]):
            assert torch.equal(cropped[..., y, x], pixels[..., top + y, left + x])
    assert torch.equal(Crop(share).real(pixels), cropped)


def test_a_share_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"0\.1 to 1: 0\.05"):
        Crop(0.05)
