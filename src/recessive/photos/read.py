"""Photos from files and from bytes: checked, decoded, turned upright and converted to RGB in [0, 1].

The decoders are Pillow and the optional pillow-heif; `decoder_warnings` collects their reports of broken files.
"""

import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import IO

from PIL import Image, ImageFile, UnidentifiedImageError, features

from recessive.errors import PhotoError
from recessive.photos.colour import UnsupportedPixels, colours_of
from recessive.photos.formats import (
    HEADER,
    Format,
    checked_format,
    format_of_path,
    is_lossless_webp,
    jpeg_quality,
)
from recessive.photos.photo import Metadata, Photo, kept_exif, kept_xmp, orientation_of

DECODER_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, RuntimeError, ArithmeticError, LookupError),
    *(TypeError, AttributeError, AssertionError, struct.error, zlib.error),
)
"""What the decoders, and the Python code that reads headers and EXIF data for them, raise on broken files."""

# The filters of `warnings` and standard error belong to the whole process: one reader at a time.
_LOCK = threading.Lock()
_STANDARD_ERROR = 2


@contextmanager
def decoder_warnings(*, quiet: bool) -> Iterator[list[warnings.WarningMessage]]:
    """Collects Pillow's warnings, except those about the number of pixels, which the reader limits itself.

    Args:
        quiet: discard standard error meanwhile, to which libtiff and dav1d report broken files.
    """
    with _LOCK, warnings.catch_warnings(record=True) as collected, ExitStack() as stack:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        if quiet:
            stack.enter_context(_no_standard_error())
        yield collected


@contextmanager
def _no_standard_error() -> Iterator[None]:
    try:
        original = os.dup(_STANDARD_ERROR)
    except OSError:  # a process without standard error
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, _STANDARD_ERROR)
        yield
    finally:
        os.dup2(original, _STANDARD_ERROR)
        os.close(original)
        os.close(sink)


def heif_library(path: Path) -> ModuleType:
    """Imports pillow-heif, which is an extra.

    Raises:
        PhotoError: if it is not installed; the message names the command that installs it.
    """
    try:
        return import_module("pillow_heif")
    except ImportError:
        raise PhotoError(path, 'HEIC photos need an extra: pip install "recessive[heif]"') from None


MAX_PIXELS = 100_000_000
"""Photos of more pixels are refused by default."""

_BYTES_PER_PIXEL = 8  # uncompressed RGBA with 16 bits per channel: no photo needs more
_SPARE_BYTES = 64 << 20  # for previews and metadata

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_TIFF_SUBFILE_TYPE, _TIFF_BITS, _TIFF_COMPRESSION = 254, 258, 259
_TIFF_PHOTOMETRIC, _TIFF_SAMPLE_FORMAT, _DNG_VERSION = 262, 339, 50706
_WHITE_IS_ZERO = 0
_TALKATIVE = ("TIFF", "AVIF", "HEIF")  # their decoders report broken files to standard error
_EMPTY_EXIF = 20  # bytes: the headers alone
_TIFF_LOSSY = {6, 7, 34676, 34892, 50001}  # JPEG old and new, SGI LogLuv, lossy DNG, WebP


def read_photo(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Reads a photo: JPEG, PNG, WebP, TIFF, AVIF, and HEIC when pillow-heif is installed.

    The content decides the format; a name that says otherwise is noted. EXIF orientation is applied. If a file holds
    several pictures (a phone's JPEG with a gain map, HEIC, the pages of a TIFF), the main or first one is read and this
    is noted; animations are refused.

    Args:
        path: the file.
        max_pixels: the largest width × height, checked before anything is decoded. Pillow's own limit
            (``2 * PIL.Image.MAX_IMAGE_PIXELS``, 179 megapixels) applies as well.

    Raises:
        PhotoError: if there is no such file, it cannot be opened, or it is not an intact photo of that size.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise PhotoError(path, "is a folder; name the photos in it")
        if path.exists() and not path.is_file():
            raise PhotoError(path, "is not a regular file")
        with path.open("rb") as file:
            if path.stat().st_size > max_pixels * _BYTES_PER_PIXEL + _SPARE_BYTES:
                raise PhotoError(path, f"is larger than any photo of {_megapixels(max_pixels)} can be")
            return _decode(file, path, max_pixels)
    except FileNotFoundError:
        raise PhotoError(path, "does not exist") from None
    except PermissionError:
        raise PhotoError(path, "may not be read; check its permissions") from None
    except OSError as error:
        raise PhotoError(path, f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # the name contains a null character
        raise PhotoError(path, f"is not a file name: {error}") from error


def decode_photo(data: bytes, path: Path | str = "photo", *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Reads a photo from the bytes of its file, exactly as `read_photo` does.

    Args:
        data: the content of the file.
        path: the name of the photo in `Photo.path` and in errors.
        max_pixels: as for `read_photo`.

    Raises:
        PhotoError: if this is not an intact photo of that size.
    """
    return _decode(BytesIO(data), Path(path), max_pixels)


def _decode(file: IO[bytes], path: Path, max_pixels: int) -> Photo:
    format_ = checked_format(file.read(HEADER), path)
    with decoder_warnings(quiet=format_ in _TALKATIVE) as warned:
        try:
            image = _open(file, path, format_)
            if image.width * image.height > max_pixels:
                size = f"{image.width} x {image.height} pixels, more than {_megapixels(max_pixels)}"
                raise PhotoError(path, f"has {size}; scale it down first")
            named = format_of_path(path)
            notes = [] if named in (None, format_) else [f"the name says {named}, the content is {format_}"]
            notes += _pictures(image, path, format_)
            photo = _photo(image, path, format_, notes, lossless=_is_lossless(image, file, format_))
        except Image.DecompressionBombError:
            limit = _megapixels(2 * (Image.MAX_IMAGE_PIXELS or 0))
            raise PhotoError(path, f"has more than {limit}; scale it down first") from None
        except UnidentifiedImageError:
            raise PhotoError(path, f"is damaged, or a kind of {format_} that cannot be read") from None
        except UnsupportedPixels as error:
            raise PhotoError(path, str(error)) from None
        except MemoryError:
            raise PhotoError(path, "needs more memory than there is; scale it down first") from None
        except DECODER_ERRORS as error:
            raise PhotoError(path, f"is damaged or cut short ({format_}: {error})") from error
    said = dict.fromkeys(f"the {format_} reader says: {' '.join(str(w.message).split())}" for w in warned)
    return replace(photo, notes=(*photo.notes, *said))


def _open(file: IO[bytes], path: Path, format_: Format) -> ImageFile.ImageFile:
    """Returns Pillow's image, with its size known and nothing decoded."""
    file.seek(0)
    if format_ == "HEIF":
        image: ImageFile.ImageFile = heif_library(path).HeifImageFile(file)
        return image
    if format_ == "AVIF" and not features.check("avif"):
        raise PhotoError(path, "is an AVIF photo, which this build of Pillow cannot read; install Pillow from PyPI")
    return Image.open(file, formats=(format_,))


def _pictures(image: ImageFile.ImageFile, path: Path, format_: Format) -> Iterator[str]:
    """Refuses animations and camera raw files, and notes pictures that are not kept."""
    tags = getattr(image, "tag_v2", {})
    if _DNG_VERSION in tags or tags.get(_TIFF_SUBFILE_TYPE, 0) & 1:
        # The first page is a small preview.
        raise PhotoError(path, "is a camera raw file; export it as JPEG or TIFF first")
    if not getattr(image, "is_animated", False):
        return
    if format_ in ("PNG", "WEBP", "AVIF"):
        raise PhotoError(path, "is an animation; save one frame of it as a photo")
    yield f"only the {'first page' if format_ == 'TIFF' else 'main picture'} of the file is kept"


def _photo(image: ImageFile.ImageFile, path: Path, format_: Format, notes: list[str], *, lossless: bool) -> Photo:
    """Decodes the pixels and the metadata."""
    bits, top = _depth(image)
    if bits > 8:
        notes.append(f"{bits} bits per channel are saved with 8")
    tables = getattr(image, "quantization", None)
    image.load()
    upright, exif = _upright(image, notes)
    icc = image.info.get("icc_profile") or None
    colours = colours_of(upright, icc, top=top)
    if image.mode.startswith("I") and getattr(image, "tag_v2", {}).get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        colours.pixels.neg_().add_(1)  # Pillow inverts 8-bit images only
    return Photo(
        path=path,
        pixels=colours.pixels,
        alpha=colours.alpha,
        grey=colours.grey,
        format=format_,
        lossless=lossless,
        jpeg_quality=jpeg_quality(tables) if tables and format_ == "JPEG" else None,
        notes=(*notes, *colours.notes),
        metadata=Metadata(exif, kept_xmp(image.info), colours.icc),
    )


def _upright(image: Image.Image, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """Returns the image turned upright as its EXIF data says, and the EXIF data to keep."""
    upright = image
    try:
        exif = image.getexif()
        if not len(exif) and len(image.info.get("exif") or b"") > _EMPTY_EXIF:
            raise ValueError  # Pillow has met the damage before, without an error
        turn = _TURNS.get(orientation_of(exif))
        if turn is not None:
            upright = image.transpose(turn)
        return upright, kept_exif(exif, upright.size)
    except DECODER_ERRORS:
        notes.append("the camera data (EXIF) is damaged and not kept")
        return upright, None


def _depth(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Returns the bits per channel of the file, and the value of white in grey images deeper than 8 bits."""
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        bits = max(tags.get(_TIFF_BITS, (1,)))
        signed = 2 in tags.get(_TIFF_SAMPLE_FORMAT, ())
        return bits, 2 ** (bits - signed) - 1
    if image.format == "HEIF":
        return image.info.get("bit_depth", 8), 0xFFFF
    return (16 if image.tile and ";16" in str(image.tile[0][3]) else 8), 0xFFFF


def _is_lossless(image: ImageFile.ImageFile, file: IO[bytes], format_: Format) -> bool:
    if format_ == "TIFF":
        return getattr(image, "tag_v2", {}).get(_TIFF_COMPRESSION, 1) not in _TIFF_LOSSY
    return format_ == "PNG" or (format_ == "WEBP" and is_lossless_webp(file))


def _megapixels(pixels: int) -> str:
    return f"{pixels / 1e6:.4g} megapixels"
