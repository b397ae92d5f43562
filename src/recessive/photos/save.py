"""Photos to disk: whole or not at all, and never over a file that is in the way."""

import os
from pathlib import Path

from torch import Tensor

from recessive.errors import PhotoError
from recessive.files import write_whole
from recessive.photos.encode import encode_photo
from recessive.photos.formats import format_named, format_of_path
from recessive.photos.photo import Photo


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
    """Writes ``pixels`` with the photo's transparency, profile and camera data to a file.

    The file appears under its name only when it is complete and on the disk: see `write_whole`.

    Args:
        photo: the photo as read.
        pixels: float ``(3, H, W)`` in [0, 1], the size of ``photo.pixels``.
        path: where to.
        format: a format's name or suffix; when None the one that ``path`` is named for, else the photo's own.
        quality: as for `output_settings`.
        keep_location: keep the GPS data as well.
        overwrite: replace an existing file.

    Returns:
        ``path``.

    Raises:
        PhotoError: the file exists, cannot be written, is named for another format than ``format``, or the
            format cannot hold this photo.
        ValueError: as `encode_photo`.
    """
    path = Path(path)
    named = format_of_path(path)
    chosen = named or photo.format if format is None else format_named(format)
    if named not in (None, chosen):
        raise PhotoError(path, f"is named as {named} but would be written as {chosen}; change one of them")
    if not overwrite and os.path.lexists(path):
        raise _exists(path)  # before the work; what counts is the check in `write_whole`
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
