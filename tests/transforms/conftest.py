import pytest
import torch
from sklearn.datasets import load_sample_image


@pytest.fixture(scope="session")
def photo():
    """A real photo (1, 3, 240, 320) on the 8-bit grid: sky, edges, foliage, saturated colour."""
    pixels = torch.from_numpy(load_sample_image("china.jpg")[60:300, 150:470].copy())
    return pixels.permute(2, 0, 1)[None].float() / 255
