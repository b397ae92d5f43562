"""Photos to bytes on the 8-bit grid, and to files that are written whole or not at all."""

import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from recessive.errors import PhotoError
from recessive.files import write_whole
from recessive.photos.colour import profile_fits
from recessive.photos.formats import Format, format_named, format_of_path
from recessive.photos.photo import Metadata, Photo
from recessive.photos.read import heif_library
from recessive.photos.tiff import write_tiff

# A perturbation of a few levels must survive the encoder: these settings leave it nearly whole, at the price of a
# larger file. Below 90, JPEG's quantisation steps are larger than the change itself; with chroma stored at half
# resolution (4:2:0), three quarters of the change in chroma would be averaged away.
_QUALITY: dict[Format, int] = {"JPEG": 90, "WEBP": 95, "HEIF": 95, "AVIF": 95}
_SUBSAMPLING: dict[Format, str] = {"JPEG": "4:4:4", "WEBP": "4:2:0", "HEIF": "4:4:4", "AVIF": "4:4:4"}
_LONGEST_SIDE: dict[Format, int] = {"JPEG": 65_535, "WEBP": 16_383, "AVIF": 65_536}
_PNG_LEVEL = 4  # a third of the time of the default, for files of the same size
_HOLDS_GREY = ("JPEG", "PNG", "TIFF", "HEIF")


@dataclass(frozen=True)
class OutputSettings:
    """How a photo will be written.

    Attributes:
        format: the format of the file.
        quality: the quality setting of the encoder, 1 to 100; None if it is lossless.
        lossy: whether the encoder changes pixels beyond the rounding to 8 bits.
        subsampling: the chroma subsampling of a lossy file, such as ``"4:4:4"``; None if it is lossless.
    """

    format: Format
    quality: int | None
    lossy: bool
    subsampling: str | None


def output_settings(
    photo: Photo,
    *,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
) -> OutputSettings:
    """Returns how `encode_photo` will write this photo when given the same arguments.

    JPEG gets the quality of the input but at least 90, and full chroma resolution (4:4:4). HEIC and AVIF get 95 and
    4:4:4. WebP is lossless if the input was and no quality is given; otherwise it gets 95 and 4:2:0, the only
    subsampling that it has. PNG and TIFF are lossless and ignore ``quality``.

    Args:
        photo: the photo as read.
        format: the name or suffix of a format; that of the photo when None.
        quality: 1 to 100, for lossy formats.

    Raises:
        ValueError: if the format is unknown or the quality out of range.
    """
    chosen = photo.format if format is None else format_named(format)
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality must be within 1 and 100, not {quality}")
    if chosen in ("PNG", "TIFF") or (chosen == "WEBP" and photo.lossless and quality is None):
        return OutputSettings(chosen, None, lossy=False, subsampling=None)
    if quality is None:
        quality = max(_QUALITY[chosen], (photo.jpeg_quality or 0) if chosen == "JPEG" else 0)
    return OutputSettings(chosen, quality, lossy=True, subsampling=_SUBSAMPLING[chosen])


def encode_photo(
    photo: Photo,
    pixels: Tensor,
    *,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
    keep_location: bool = False,
) -> bytes:
    """Returns the bytes of a file with these pixels and the photo's transparency, profile and camera data.

    Pixels are clamped to [0, 1] and rounded to the 8-bit grid, round(255 x). A grey photo whose three channels are
    still equal is written as grey if the format can hold that; otherwise its grey colour profile is left out. Camera
    data is kept except for the location, thumbnails and maker notes; see `recessive.photos.photo`.

    Args:
        photo: the photo as read.
        pixels: float ``(3, H, W)``, the size of ``photo.pixels``.
        format: as for `output_settings`.
        quality: as for `output_settings`.
        keep_location: whether to keep the GPS data.

    Raises:
        PhotoError: if the format cannot hold this photo (JPEG: transparency; WebP: more than 16,383 pixels per side),
            or its library is missing.
        ValueError: if the pixels have another shape or are not finite, the format is unknown, or the quality is out of
            range.
    """
    settings = output_settings(photo, format=format, quality=quality)
    if pixels.shape != photo.pixels.shape:
        raise ValueError(f"pixels are {tuple(pixels.shape)}, the photo is {tuple(photo.pixels.shape)}")
    if not bool(pixels.isfinite().all()):
        raise ValueError("pixels must be finite")
    longest = _LONGEST_SIDE.get(settings.format)
    if longest is not None and max(pixels.shape) > longest:
        raise PhotoError(photo.path, f"is too long for {settings.format} ({longest} pixels per side); choose PNG")
    planes = _planes(photo, pixels, settings.format)
    metadata = photo.metadata if keep_location else photo.metadata.without_location()
    try:
        return _write(photo, planes, settings, metadata)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise PhotoError(photo.path, f"cannot be written as {settings.format}: {error}") from error


def save_photo(
    photo: Photo,
    pixels: Tensor,
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002
    quality: int | None = None,
    keep_location: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes a file with these pixels and the photo's transparency, profile and camera data; see `encode_photo`.

    The file appears under its name only once it is complete and on the disk; see `write_whole`.

    Args:
        photo: the photo as read.
        pixels: float ``(3, H, W)`` in [0, 1], the size of ``photo.pixels``.
        path: the file to write.
        format: the name or suffix of a format; when None that of the suffix of ``path``, else that of the photo.
        quality: as for `output_settings`.
        keep_location: whether to keep the GPS data.
        overwrite: whether to replace an existing file.

    Returns:
        ``path``.

    Raises:
        PhotoError: if the file exists or cannot be written, its suffix stands for another format than ``format``, or
            the format cannot hold this photo.
        ValueError: as for `encode_photo`.
    """
    path = Path(path)
    named = format_of_path(path)
    chosen = named or photo.format if format is None else format_named(format)
    if named not in (None, chosen):
        raise PhotoError(path, f"is named as {named} but would be written as {chosen}; change one of them")
    if not overwrite and os.path.lexists(path):
        raise _exists(path)  # early, before the work; the check that counts is in `write_whole`
    data = encode_photo(photo, pixels, format=chosen, quality=quality, keep_location=keep_location)
    try:
        write_whole(path, data, overwrite=overwrite)
    except FileExistsError:
        raise _exists(path) from None
    except FileNotFoundError:
        raise PhotoError(path, "cannot be written: its folder does not exist") from None
    except OSError as error:
        raise PhotoError(path, f"cannot be written: {error.strerror or error}") from error
    return path


def _exists(path: Path) -> PhotoError:
    return PhotoError(path, "exists already; choose another name or ask to overwrite")


def _planes(photo: Photo, pixels: Tensor, format_: Format) -> NDArray[np.uint8]:
    """Returns the levels ``(H, W, C)``: grey, grey and alpha, RGB, or RGB and alpha for C = 1 to 4."""
    alpha = photo.alpha
    if format_ == "JPEG" and alpha is not None:
        if bool((alpha < 1).any()):
            raise PhotoError(photo.path, "is partly transparent, which JPEG cannot hold; choose PNG, WebP or TIFF")
        alpha = None
    channels = pixels if alpha is None else (*pixels, alpha)
    planes = np.empty((*pixels.shape[1:], len(channels)), np.uint8)
    for index, channel in enumerate(channels):
        levels = channel.detach().to("cpu", torch.float32).mul(255).round_().clamp_(0, 255)
        planes[..., index] = levels.to(torch.uint8).numpy()
    if photo.grey and format_ in _HOLDS_GREY and bool((planes[..., 1:3] == planes[..., :1]).all()):
        planes = np.ascontiguousarray(planes[..., [0] if alpha is None else [0, 3]])
    return planes


def _write(photo: Photo, planes: NDArray[np.uint8], settings: OutputSettings, metadata: Metadata) -> bytes:
    mode = ("L", "LA", "RGB", "RGBA")[planes.shape[2] - 1]
    icc = metadata.icc if metadata.icc is not None and profile_fits(metadata.icc, mode) else None
    out = BytesIO()
    if settings.format == "TIFF":
        write_tiff(out, planes, metadata.exif, metadata.xmp, icc)
        return out.getvalue()
    options: dict[str, Any] = {"icc_profile": icc, "exif": metadata.exif, "xmp": metadata.xmp}
    options = {name: value for name, value in options.items() if value is not None}
    if settings.lossy:
        options["quality"] = settings.quality
    image = Image.frombuffer(mode, planes.shape[1::-1], planes, "raw", mode, 0, 1)
    if settings.format == "HEIF":
        heif_library(photo.path).from_pillow(image).save(out, **options, subsampling=settings.subsampling)
        return out.getvalue()
    if settings.format == "AVIF" and not features.check("avif"):
        raise PhotoError(photo.path, "cannot be written as AVIF by this build of Pillow; install Pillow from PyPI")
    if settings.format == "PNG":
        options["compress_level"] = _PNG_LEVEL
        if "xmp" in options:
            options["pnginfo"] = text = PngInfo()
            text.add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode().rstrip("\0"))
    elif settings.format == "WEBP":
        options |= {"exact": True, "lossless": not settings.lossy}
    elif settings.lossy:
        options["subsampling"] = settings.subsampling
    image.save(out, settings.format, **options)
    return out.getvalue()
