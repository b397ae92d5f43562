"""Photos that the tests make themselves."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

HEIGHT, WIDTH = 24, 32


@pytest.fixture
def scene() -> NDArray[np.uint8]:
    """Smooth colours, different in each corner: (24, 32, 3)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 8, y * 10, 255 - x * 4 - y * 4], axis=-1).astype(np.uint8)


@pytest.fixture
def as_file() -> Callable[..., bytes]:
    """Encodes with Pillow, which is not how the package writes its own files."""

    def encode(image: Image.Image | NDArray[Any], format_: str, **options: Any) -> bytes:
        out = BytesIO()
        if not isinstance(image, Image.Image):
            image = Image.fromarray(image)
        image.save(out, format_, **options)
        return out.getvalue()

    return encode


@pytest.fixture
def camera_exif() -> Image.Exif:
    """What a phone writes: maker, exposure, turned, location, maker notes; no thumbnail."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x8298] = "Maker", "Model 7", "The owner"
    exif[0x0112] = 6
    shot = exif.get_ifd(0x8769)
    shot[0x829A], shot[0x9003] = 0.02, "2025:05:01 10:00:00"
    shot[0x9286] = b"ASCII\0\0\0a note"
    shot[0xA002], shot[0xA003] = WIDTH, HEIGHT
    shot[0x927C] = b"PREVIEW OF THE PHOTO"
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "N", (52.0, 30.0, 1.5), "E", (13.0, 24.0, 0.0)
    return exif


@pytest.fixture
def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def grey_profile(srgb: bytes) -> bytes:
    """A profile whose header says grey; nobody here looks further."""
    return srgb[:16] + b"GRAY" + srgb[20:]
