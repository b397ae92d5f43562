from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from recessive.photos.tiff import write_tiff


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (500, 700)])
def test_pillow_and_libtiff_read_every_strip(channels, mode, size):
    values = np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)
    out = BytesIO()
    write_tiff(out, values, None, b"<xmp/>", b"profile")
    image = Image.open(out)
    assert image.mode == mode
    assert np.array_equal(np.asarray(image).reshape(values.shape), values)
    assert image.info["icc_profile"] == b"profile"
    assert image.info["xmp"] == b"<xmp/>"
    assert image.info["compression"] == "tiff_adobe_deflate"


def test_smooth_photos_become_small():
    values = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (256, 1, 3))
    out = BytesIO()
    write_tiff(out, values, None, None, None)
    assert len(out.getvalue()) < values.size / 50
