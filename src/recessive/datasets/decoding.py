"""Photo files to squares of bytes: decoded as `recessive.photos` does, only cheaper where that changes nothing.

Training reads millions of photos. Most are plain JPEG or PNG files, for which neither floating point nor colour
management is needed, and a JPEG decoder can shrink while it decodes. Anything else, and anything that looks
damaged, goes to `recessive.photos`, which reads it or says what is wrong.
"""

from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from recessive.datasets.errors import DataError
from recessive.photos import MAX_PIXELS, PhotoError, decode_photo, read_photo
from recessive.photos.decoders import DECODER_ERRORS, decoder_warnings
from recessive.photos.formats import HEADER, format_of_content

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels of the upright photo."""

_COLOUR_MANAGED = {"icc_profile", "transparency"}


def squeezed(source: Path | bytes, size: int, *, name: str | None = None, box: Box | None = None) -> Tensor:
    """Decodes a photo, turns it upright, cuts out the box, and squeezes that to a square.

    Bicubic, with the filter widened when shrinking so that nothing aliases. The sides' ratio is lost.
    Transparency is dropped. JPEG files may be halved while decoding, down to twice the size at the least.

    Args:
        source: a file, or its content.
        size: height and width of the outcome.
        name: what to call the content in errors; files are called by their path.
        box: the part to keep, clipped to the photo; all of it when None.

    Returns:
        ``(3, size, size)`` uint8, RGB; a grey photo has three equal channels.

    Raises:
        DataError: it is not an intact photo, or the box lies outside it; the message names it.
    """
    called = str(source) if isinstance(source, Path) else (name or "photo")
    image = _plain(source, size, shrink=box is None) or _any(source, called)
    if box is not None:
        left, top, right, bottom = box
        box = (max(0.0, left), max(0.0, top), min(float(image.width), right), min(float(image.height), bottom))
        if not (box[0] < box[2] and box[1] < box[3]):
            raise DataError(f"{called}: the box {left:g} {top:g} {right:g} {bottom:g} holds nothing of the photo")
    if box is not None or image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return torch.from_numpy(np.asarray(image.convert("RGB")).transpose(2, 0, 1).copy())


def _plain(source: Path | bytes, size: int, *, shrink: bool) -> Image.Image | None:
    """Returns a plain photo, or None where `recessive.photos` must look."""
    try:
        if isinstance(source, bytes):
            return _open_plain(BytesIO(source), size, shrink=shrink)
        if not source.is_file():
            return None
        with source.open("rb") as file:
            return _open_plain(file, size, shrink=shrink)
    except (*DECODER_ERRORS, Image.DecompressionBombError):
        return None


def _open_plain(file: IO[bytes], size: int, *, shrink: bool) -> Image.Image | None:
    format_ = format_of_content(file.read(HEADER))
    if format_ not in ("JPEG", "PNG"):
        return None
    file.seek(0)
    with decoder_warnings(quiet=False):
        image = Image.open(file, formats=(format_,))
        if image.mode not in ("RGB", "L") or image.width * image.height > MAX_PIXELS:
            return None
        if getattr(image, "is_animated", False):
            return None
        if shrink:
            image.draft(image.mode, (2 * size, 2 * size))
        image.load()
        if image.info.keys() & _COLOUR_MANAGED:
            return None
        ImageOps.exif_transpose(image, in_place=True)
        return image


def _any(source: Path | bytes, called: str) -> Image.Image:
    try:
        photo = read_photo(source) if isinstance(source, Path) else decode_photo(source, called)
    except PhotoError as error:
        raise DataError(str(error)) from error
    return Image.fromarray((photo.pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
