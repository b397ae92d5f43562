"""For all tests: properties are tried on the same examples each time, however slow the machine is."""

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

settings.register_profile("same-everywhere", deadline=None, derandomize=True)
settings.load_profile("same-everywhere")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory):
    """Nothing is kept in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECESSIVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def colour_classes(tmp_path_factory):
    """A folder of 3 × 20 photos whose colour tells their class."""
    folder = tmp_path_factory.mktemp("data") / "blobs"
    generator = np.random.default_rng(0)
    for name, colour in {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}.items():
        (folder / name).mkdir(parents=True)
        for number in range(20):
            levels = np.clip(np.array(colour) + generator.integers(-50, 50, (28, 28, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(levels).save(folder / name / f"{number}.png")
    return folder
