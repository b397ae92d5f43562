"""Conversion of a decoded image of any mode to RGB in [0, 1]."""

from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms
from torch import Tensor

_ICC_HEADER = 128
# The colour space an ICC profile describes, by the letters in its header.
_PROFILE_SPACES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
_SAME_AS = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "PA": "RGBA"}
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class UnsupportedPixels(ValueError):  # noqa: N818 (never leaves this package)
    """An intact image with pixels that no photo has; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Colours:
    """The pixels of a photo, converted.

    Attributes:
        pixels: float32 ``(3, H, W)``, RGB in [0, 1].
        alpha: float32 ``(H, W)`` in [0, 1], or None.
        grey: whether the image had a single colour channel.
        icc: the colour profile of ``pixels``; None if the file has none that fits.
        notes: what was converted, one sentence each.
    """

    pixels: Tensor
    alpha: Tensor | None
    grey: bool
    icc: bytes | None
    notes: tuple[str, ...]


def colours_of(image: Image.Image, icc: bytes | None, *, top: int) -> Colours:
    """Converts a decoded image of any photo mode to RGB.

    Integer values v become v / 255, or v / ``top`` in grey images that Pillow keeps in 16 or 32 bits. CMYK is converted
    to sRGB by the file's profile (perceptual intent), or by R = (1 - C)(1 - K) if there is none.

    Args:
        image: the decoded image, upright.
        icc: the profile found in the file, or None.
        top: the value of white in grey images of more than 8 bits.

    Raises:
        UnsupportedPixels: if no photo has this mode (LAB, floating point); the message says what to do.
    """
    notes: list[str] = []
    if image.mode in _SIXTEEN_BIT:
        return _deep_grey(image, _fitting(icc, "L", notes), top, notes)
    if image.mode == "CMYK":
        image, icc, note = _from_cmyk(image, icc)
        notes.append(note)
    elif image.mode == "P":
        notes.append("the palette is saved as full colour")
    image = _plain(image)
    grey = image.mode in ("L", "LA")
    values = np.asarray(image).reshape(image.height, image.width, -1)
    colour_channels = 1 if grey else 3
    pixels = _unit(values[..., :colour_channels], 255)
    alpha = _unit(values[..., -1:], 255)[0] if values.shape[2] in (2, 4) else None
    if grey:
        pixels = pixels.repeat(3, 1, 1)
    return Colours(pixels, alpha, grey, _fitting(icc, "L" if grey else "RGB", notes), tuple(notes))


def profile_fits(icc: bytes, mode: str) -> bool:
    """Returns whether this is an ICC profile and fits the colours of Pillow's ``mode``, ignoring alpha."""
    is_profile = len(icc) > _ICC_HEADER and icc[36:40] == b"acsp"
    return is_profile and _PROFILE_SPACES.get(icc[16:20]) == {"LA": "L", "RGBA": "RGB"}.get(mode, mode)


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Returns an ICC profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _fitting(icc: bytes | None, mode: str, notes: list[str]) -> bytes | None:
    if icc is None or profile_fits(icc, mode):
        return icc
    notes.append("the colour profile does not fit the photo and is not kept")
    return None


def _plain(image: Image.Image) -> Image.Image:
    """Returns the image in one of the modes L, LA, RGB and RGBA."""
    mode = _SAME_AS.get(image.mode, image.mode)
    if mode == "P":
        mode = "RGB"
    if image.has_transparency_data:
        mode = "LA" if mode in ("L", "LA") else "RGBA"
    if mode not in ("L", "LA", "RGB", "RGBA"):
        kind = "floating-point" if mode == "F" else mode
        raise UnsupportedPixels(f"holds {kind} pixels; save it as RGB with 8 or 16 bits per channel first")
    return image if image.mode == mode else image.convert(mode)


def _from_cmyk(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, bytes, str]:
    if icc is not None and profile_fits(icc, "CMYK"):
        try:
            source = ImageCms.getOpenProfile(BytesIO(icc))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # the profile is broken: proceed as if there were none
        else:
            if converted is not None:  # only an in-place conversion returns None
                return converted, srgb_profile(), "CMYK is converted to sRGB through its profile"
    return image.convert("RGB"), srgb_profile(), "CMYK without a usable profile is converted to sRGB"


def _deep_grey(image: Image.Image, icc: bytes | None, top: int, notes: list[str]) -> Colours:
    values = np.asarray(image)
    if top > 0xFFFF and values.max(initial=0) <= 0xFFFF:
        top = 0xFFFF  # 16-bit data in wider integers, as many programs write it
    if values.min(initial=0) < 0:
        raise UnsupportedPixels("holds negative pixels; save it with 8 or 16 bits per channel first")
    transparent = image.info.get("transparency")
    alpha = None
    if isinstance(transparent, int):
        alpha = torch.from_numpy((values != transparent).astype(np.float32))
    pixels = _unit(values[..., None], top).clamp_(max=1.0).repeat(3, 1, 1)
    return Colours(pixels, alpha, grey=True, icc=icc, notes=tuple(notes))


def _unit(values: NDArray[np.integer], top: int) -> Tensor:
    """Returns ``(H, W, C)`` integers as float32 ``(C, H, W)``, divided by ``top``, without an intermediate copy."""
    unit = np.empty((values.shape[2], *values.shape[:2]), np.float32)
    for channel, plane in enumerate(unit):
        np.divide(values[..., channel], np.float32(top), out=plane, casting="same_kind", dtype=np.float32)
    return torch.from_numpy(unit)
