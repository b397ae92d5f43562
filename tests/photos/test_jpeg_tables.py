from io import BytesIO

import pytest
from PIL import Image

from recessive.photos.jpeg_tables import jpeg_quality


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_quality_of_libjpeg_files_is_exact(mode):
    for quality in range(1, 101):
        out = BytesIO()
        Image.new(mode, (8, 8)).save(out, "JPEG", quality=quality)
        assert jpeg_quality(Image.open(out).quantization) == quality


def test_other_tables_get_the_nearest_quality():
    assert jpeg_quality({0: [1] * 64}) == 100
    assert jpeg_quality({0: [255] * 64}) <= 10
    out = BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG", quality=85)
    tables = {number: [max(1, step - 1) for step in table] for number, table in Image.open(out).quantization.items()}
    assert 85 <= jpeg_quality(tables) <= 88


def test_files_without_luminance_table():
    assert jpeg_quality({}) is None
    assert jpeg_quality({1: [16] * 64}) is None
    assert jpeg_quality({0: [16] * 3}) is None
