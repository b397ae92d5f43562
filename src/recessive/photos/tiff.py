"""A TIFF writer that both compresses and keeps camera data.

Pillow writes compressed TIFF through libtiff, which cannot store the EXIF and GPS directories; Pillow's own writer
stores them but does not compress. Here Pillow writes the directory, and this module the strips.
"""

import zlib
from io import BytesIO
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import LONG

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PREDICTOR = 273, 277, 278, 279, 317
_EXTRA_SAMPLES, _XMP, _ICC = 338, 700, 34675
_DIRECTORIES = (34665, 34853)  # EXIF, GPS
_DEFLATE, _HORIZONTAL_DIFFERENCES, _UNASSOCIATED_ALPHA = 8, 2, 2
_GREY, _RGB = 1, 2
_LEVEL = 4  # a quarter of the time of the default, for files 5% larger
_STRIP = 1 << 18  # bytes of pixels in a strip, before compression


def write_tiff(
    out: BytesIO, planes: NDArray[np.uint8], exif: bytes | None, xmp: bytes | None, icc: bytes | None
) -> None:
    """Writes a little-endian TIFF 6.0 file: horizontal differences, compressed by deflate.

    Args:
        out: the file, at position 0.
        planes: ``(H, W, C)``: grey, grey and alpha, RGB, or RGB and alpha for C = 1 to 4.
        exif: EXIF data, which is distributed over TIFF's own directories.
        xmp: XMP packet.
        icc: colour profile.
    """
    height, width, samples = planes.shape
    rows = max(1, _STRIP // (width * samples))
    strips = [zlib.compress(_differences(planes[top : top + rows]), _LEVEL) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]

    tags: dict[int, Any] = {
        **_exif_tags(exif),
        _WIDTH: width,
        _LENGTH: height,
        _BITS: (8,) * samples,
        _COMPRESSION: _DEFLATE,
        _PREDICTOR: _HORIZONTAL_DIFFERENCES,
        _PHOTOMETRIC: _GREY if samples < 3 else _RGB,
        _SAMPLES: samples,
        _EXTRA_SAMPLES: _UNASSOCIATED_ALPHA if samples in (2, 4) else None,
        _ROWS_PER_STRIP: rows,
        _STRIP_BYTES: tuple(sizes),
        # Relative to the end of the directory; its writer adds the position of that.
        _STRIP_OFFSETS: tuple(accumulate(sizes[:-1], initial=0)),
        _XMP: xmp,
        _ICC: icc,
    }
    directory = ImageFileDirectory_v2()
    directory.tagtype |= {_STRIP_OFFSETS: LONG, _STRIP_BYTES: LONG}
    for tag, value in tags.items():
        if value is not None:
            directory[tag] = value
    directory.save(out)
    for strip in strips:
        out.write(strip)


def _differences(strip: NDArray[np.uint8]) -> bytes:
    """Returns each sample minus its left neighbour, modulo 256."""
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    return differences.tobytes()


def _exif_tags(exif: bytes | None) -> dict[int, Any]:
    parsed = Image.Exif()
    if exif is not None:
        parsed.load(exif)
    return {tag: parsed.get_ifd(tag) if tag in _DIRECTORIES else parsed[tag] for tag in parsed}
