"""scikit-learn's two sample photos, and a way to obfuscate with nothing but seeds."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_sample_images

from recessive.balls import LInf
from recessive.protection.method import Run


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
