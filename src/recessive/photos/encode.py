"""Photos to bytes, on the 8-bit grid."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from recessive.errors import PhotoError
from recessive.photos.colour import profile_fits
from recessive.photos.formats import Format, format_named
from recessive.photos.heif import heif_library
from recessive.photos.metadata import Metadata
from recessive.photos.photo import Photo
from recessive.photos.tiff import write_tiff

# A perturbation of a few levels must outlive the encoder: these settings leave it nearly whole, at the price
# of a larger file. Below 90, JPEG's quantisation steps are larger than the change itself; with colour stored
# at half resolution (4:2:0), three quarters of what was written into colour would be averaged away.
_QUALITY: dict[Format, int] = {"JPEG": 90, "WEBP": 95, "HEIF": 95, "AVIF": 95}
_SUBSAMPLING: dict[Format, str] = {"JPEG": "4:4:4", "WEBP": "4:2:0", "HEIF": "4:4:4", "AVIF": "4:4:4"}
_LONGEST_SIDE: dict[Format, int] = {"JPEG": 65_535, "WEBP": 16_383, "AVIF": 65_536}
_PNG_LEVEL = 4  # a third of the time of the default, for files as small
_HOLDS_GREY = ("JPEG", "PNG", "TIFF", "HEIF")


@dataclass(frozen=True)
class OutputSettings:
    """How a photo will be written, known before it is.

    Attributes:
        format: the format.
        quality: 1 to 100 of the encoder, None when nothing is lost.
        lossy: whether the encoder changes pixels beyond the rounding to 8 bits.
        subsampling: colour resolution of a lossy file, as ``"4:4:4"``; None when nothing is lost.
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

    JPEG gets the quality of the input but at least 90, and full colour resolution (4:4:4). HEIC and AVIF get
    95 and 4:4:4. WebP is lossless when the input was, unless a quality is asked for; else it gets 95, and
    colour at half resolution, since it has no other. PNG and TIFF are lossless and ignore ``quality``.

    Args:
        photo: the photo as read.
        format: a format's name or suffix; the photo's own when None.
        quality: 1 to 100, for lossy formats.

    Raises:
        ValueError: unknown format, or quality out of range.
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

    Pixels are rounded to the 8-bit grid, round(255 x), after clamping to [0, 1]. A grey photo whose three
    channels are still equal is written as grey where the format can; when it cannot, a grey colour profile is
    left out. Camera data is kept but for the location, thumbnails and maker notes; see
    `recessive.photos.metadata`.

    Args:
        photo: the photo as read.
        pixels: float ``(3, H, W)``, the size of ``photo.pixels``.
        format: as for `output_settings`.
        quality: as for `output_settings`.
        keep_location: keep the GPS data as well.

    Raises:
        PhotoError: the format cannot hold this photo (JPEG: transparency; WebP: more than 16,383 pixels a
            side), or the library for it is missing.
        ValueError: pixels of another shape or not finite, unknown format, quality out of range.
    """
    settings = output_settings(photo, format=format, quality=quality)
    if pixels.shape != photo.pixels.shape:
        raise ValueError(f"pixels are {tuple(pixels.shape)}, the photo is {tuple(photo.pixels.shape)}")
    if not bool(pixels.isfinite().all()):
        raise ValueError("pixels must be finite")
    longest = _LONGEST_SIDE.get(settings.format)
    if longest is not None and max(pixels.shape) > longest:
        raise PhotoError(photo.path, f"is too long for {settings.format} ({longest} pixels a side); choose PNG")
    planes = _planes(photo, pixels, settings.format)
    metadata = photo.metadata if keep_location else photo.metadata.without_location()
    try:
        return _write(photo, planes, settings, metadata)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        raise PhotoError(photo.path, f"cannot be written as {settings.format}: {error}") from error


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
        planes[..., index] = _levels(channel)
    if photo.grey and format_ in _HOLDS_GREY and _is_grey(planes):
        planes = np.ascontiguousarray(planes[..., [0] if alpha is None else [0, 3]])
    return planes


def _levels(channel: Tensor) -> NDArray[np.uint8]:
    levels = channel.detach().to("cpu", torch.float32).mul(255).round_().clamp_(0, 255)
    return levels.to(torch.uint8).numpy()


def _is_grey(planes: NDArray[np.uint8]) -> bool:
    red = planes[..., 0]
    return bool((red == planes[..., 1]).all() and (red == planes[..., 2]).all())


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
