"""Folders of photos: galleries, samples and targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor

from recessive.errors import PhotoError, SettingsError
from recessive.photos.formats import format_of_path
from recessive.photos.read import read_photo


def photo_files(folder: Path, what: str = "a gallery") -> list[Path]:
    """Returns all files below a folder that have the suffix of a photo, sorted by path.

    Args:
        folder: the folder.
        what: what the folder is meant to be, for messages.

    Raises:
        SettingsError: if it is not a folder, or holds no photo.
    """
    if not folder.is_dir():
        raise SettingsError(f"is not a folder; {what} is a folder of photos", folder)
    files = sorted(file for file in folder.rglob("*") if format_of_path(file) is not None and file.is_file())
    if not files:
        raise SettingsError(f"holds no photos; {what} is a folder of photos", folder)
    return files


def photos_below(
    folder: Path,
    what: str = "a gallery",
    *,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[PhotoError], None] | None = None,
) -> Iterator[tuple[Path, Tensor]]:
    """Reads the photos below a folder one after another.

    Args:
        folder: the folder.
        what: what the folder is meant to be, for messages.
        progress: called with (photos done, photos in total).
        on_error: called with the error of each photo that cannot be read; these are skipped.

    Yields:
        The path and the pixels (3, H, W) of each photo.

    Raises:
        SettingsError: if it is not a folder, or holds no photo that can be read.
    """
    files, read = photo_files(folder, what), 0
    for done, file in enumerate(files, 1):
        try:
            pixels = read_photo(file).pixels
        except PhotoError as error:
            if on_error is not None:
                on_error(error)
            continue
        read += 1
        yield file, pixels
        if progress is not None:
            progress(done, len(files))
    if not read:
        raise SettingsError("holds no photo that can be read", folder)
