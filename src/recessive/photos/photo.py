"""A photo in memory: its pixels, and what has to go back into the file."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from recessive.photos.formats import Format
from recessive.photos.metadata import Metadata


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as read from a file, turned the right way up.

    Attributes:
        path: the file it came from.
        pixels: float32 ``(3, H, W)``, RGB in [0, 1]; a grey photo has three equal channels.
        alpha: float32 ``(H, W)`` in [0, 1], or None when the file has no transparency.
        grey: whether the file was grey, so that it can be saved as grey again.
        format: the format of the content, whatever the file's name says.
        lossless: whether the file held its pixels without loss.
        jpeg_quality: the quality setting of libjpeg, 1 to 100, whose quantisation tables are nearest to the
            file's; None for other formats.
        notes: what an owner should know about the reading, a short sentence each.
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
