"""A photo in memory: its pixels, and the metadata that goes back into the file.

A protected photo must not carry the unprotected one. EXIF thumbnails, maker notes (which hold previews, place names and
offsets that break when moved), Photoshop resources and the pictures in XMP are therefore never kept: EXIF is rebuilt
from the tags that describe the shot. The location is kept until the photo is saved, where `without_location` removes
it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image
from torch import Tensor

from recessive.photos.formats import Format

_DESCRIPTION_TAGS = (
    *(0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298),  # texts: maker, model, date, copyright...
    *(0x011A, 0x011B, 0x0128),  # resolution
    *(0x4746, 0x4749),  # rating
    *range(0x9C9B, 0x9CA0),  # Windows: title, comment, author, keywords, subject
)
# The shot: exposure, lens, times, colour space. These ranges exclude embedded profiles and Photoshop resources.
_SHOT_TAGS = {0x829A, 0x829D, *range(0x8822, 0x8840), *range(0x9000, 0x9500), *range(0xA000, 0xA600)}
_MAKER_NOTE, _WIDTH, _HEIGHT = 0x927C, 0xA002, 0xA003
_ORIENTATION = 0x0112
_TURNED = range(2, 9)

_XMP_PICTURES = ("thumbnail", "gimg", "gimage:", "gdepth:", "gcamera:", "gcontainer:", "container:")
_XMP_ORIENTATION = "tiff:orientation"  # wrong once the pixels are turned upright
_XMP_PLACES = ["gps", "location", ":city", ":country", ":state", ":province", "region", "latitude", "longitude", "geo:"]
# A JPEG segment holds 65,533 bytes; larger EXIF and XMP data hold more than text.
_MOST_BYTES = 60_000


@dataclass(frozen=True)
class Metadata:
    """What is saved beside the pixels.

    Attributes:
        exif: EXIF data with orientation 1, without thumbnail and maker notes, with the location if the file had one.
        xmp: XMP packet (UTF-8) without pictures, with the location if the file had one.
        icc: colour profile of the pixels.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None

    def without_location(self) -> "Metadata":
        """Returns the same without the GPS block, and without the XMP packet if it names a place."""
        exif = self.exif
        if exif is not None:
            parsed = Image.Exif()
            parsed.load(exif)
            exif = _rebuilt(parsed, keep_location=False).tobytes()
        xmp = self.xmp if self.xmp is not None and not _mentions(self.xmp, _XMP_PLACES) else None
        return Metadata(exif, xmp, self.icc)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as read from a file, turned upright.

    Attributes:
        path: the file it came from.
        pixels: float32 ``(3, H, W)``, RGB in [0, 1]; a grey photo has three equal channels.
        alpha: float32 ``(H, W)`` in [0, 1], or None if the file has no transparency.
        grey: whether the file was grey, so that it can be saved as grey again.
        format: the format of the content, whatever the name of the file says.
        lossless: whether the file held its pixels without loss.
        jpeg_quality: the quality setting of libjpeg, 1 to 100, whose quantisation tables are nearest to those of the
            file; None for other formats.
        notes: what the owner should know about the reading, one short sentence each.
        metadata: camera data, colour profile and description to save again.
    """

    path: Path
    pixels: Tensor
    alpha: Tensor | None
    grey: bool
    format: Format
    lossless: bool
    jpeg_quality: int | None = None
    notes: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=Metadata)


def part_within(photo: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """Returns the pixels inside a box; none if the box lies outside the photo or is not finite.

    The four numbers are rounded to the nearest integer, ties to even, as in Pillow's ``crop`` and therefore in the
    published evaluations of retrieval. The box is then clipped to the photo, where ``crop`` would add black.

    Args:
        photo: ``(3, H, W)``.
        box: left, top, right and bottom, in pixels.

    Returns:
        ``(3, h, w)``, a view of the photo.
    """
    left, top, right, bottom = (round(edge) for edge in box) if all(map(math.isfinite, box)) else (0, 0, 0, 0)
    return photo[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]


def orientation_of(exif: Image.Exif) -> int:
    """Returns the EXIF orientation: 2 to 8 if the pixels need turning, else 1."""
    value = exif.get(_ORIENTATION, 1)
    return value if isinstance(value, int) and value in _TURNED else 1


def kept_exif(exif: Image.Exif, size: tuple[int, int]) -> bytes | None:
    """Returns the EXIF data to keep for an upright photo of ``size`` (width, height), or None if there is none.

    Raises:
        DECODER_ERRORS: if the data is broken.
        ValueError: if the data is larger than a JPEG file can hold.
    """
    kept = _rebuilt(exif, keep_location=True)
    shot = kept.get_ifd(ExifTags.IFD.Exif)
    if not (shot or len(kept) or kept.get_ifd(ExifTags.IFD.GPSInfo)):
        return None
    kept[_ORIENTATION] = 1
    if _WIDTH in shot and _HEIGHT in shot:
        shot[_WIDTH], shot[_HEIGHT] = size
    data = kept.tobytes()
    if len(data) > _MOST_BYTES:
        raise ValueError(f"{len(data)} bytes of EXIF data")
    return data


def kept_xmp(info: dict[Any, Any]) -> bytes | None:
    """Returns the XMP packet in Pillow's ``info``, or None if it holds pictures or an orientation, or is not UTF-8."""
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if not isinstance(packet, bytes) or not 0 < len(packet) <= _MOST_BYTES:
        return None
    return None if _mentions(packet, (*_XMP_PICTURES, _XMP_ORIENTATION)) else packet


def _mentions(packet: bytes, words: Iterable[str]) -> bool:
    try:
        text = packet.decode("utf-8").lower()
    except UnicodeDecodeError:
        return True  # unreadable text cannot be cleared
    return "\0" in text.rstrip("\0") or any(word in text for word in words)


def _rebuilt(exif: Image.Exif, *, keep_location: bool) -> Image.Exif:
    """Returns new EXIF data with the tags that describe the shot, and with its location if asked for."""
    kept = Image.Exif()
    for tag in (*_DESCRIPTION_TAGS, _ORIENTATION):
        if tag in exif:
            kept[tag] = exif[tag]
    found = exif.get_ifd(ExifTags.IFD.Exif)
    dropped = (_MAKER_NOTE, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)
    shot = {tag: value for tag, value in found.items() if tag in _SHOT_TAGS and tag not in dropped}
    # The interoperability block marks Adobe RGB in camera files without a profile.
    if ExifTags.IFD.Interop in found:
        shot[ExifTags.IFD.Interop] = dict(exif.get_ifd(ExifTags.IFD.Interop))
    if shot:
        kept.get_ifd(ExifTags.IFD.Exif).update(shot)
    if keep_location and (place := exif.get_ifd(ExifTags.IFD.GPSInfo)):
        kept.get_ifd(ExifTags.IFD.GPSInfo).update(place)
    return kept
