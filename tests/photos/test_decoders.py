import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from recessive.photos import decode_photo
from recessive.photos.read import decoder_warnings


def test_warnings_are_collected_but_for_sizes():
    with decoder_warnings(quiet=False) as collected:
        warnings.warn("odd", UserWarning, stacklevel=1)
        warnings.warn("large", Image.DecompressionBombWarning, stacklevel=1)
    assert [str(warning.message) for warning in collected] == ["odd"]


def test_standard_error_is_dropped_and_comes_back(capfd):
    def speak_and_fail():
        os.write(2, b"from C")
        raise KeyError

    with pytest.raises(KeyError), decoder_warnings(quiet=True):
        speak_and_fail()
    with decoder_warnings(quiet=False):
        os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_process_without_standard_error(monkeypatch):
    def closed(_descriptor):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with decoder_warnings(quiet=True) as collected:
        pass
    assert collected == []


def test_threads_read_side_by_side(scene, as_file):
    files = [as_file(scene, format_) for format_ in ("PNG", "JPEG", "TIFF", "WEBP")] * 10
    filters = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        photos = list(pool.map(decode_photo, files))
    assert all(photo.notes == () for photo in photos)
    assert warnings.filters == filters
