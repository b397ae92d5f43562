"""Folders of photos: a gallery, a sample, targets, and where results go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor

from recessive.errors import SettingsError
from recessive.photos import PhotoError, format_of_path, read_photo


def photo_files(folder: Path, what: str = "a gallery") -> list[Path]:
    """All photos below a folder, by their suffix, in the order of their paths.

    Args:
        folder: where to look.
        what: it is to be, for the message.

    Raises:
        SettingsError: it is not a folder, or there is no photo in it.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: is not a folder; {what} is a folder of photos")
    files = sorted(file for file in folder.rglob("*") if format_of_path(file) is not None and file.is_file())
    if not files:
        raise SettingsError(f"{folder}: holds no photos; {what} is a folder of photos")
    return files


def photos_below(
    folder: Path,
    what: str = "a gallery",
    *,
    progress: Callable[[int, int], None] | None = None,
    complain: Callable[[PhotoError], None] | None = None,
) -> Iterator[tuple[Path, Tensor]]:
    """Read the photos below a folder one after another: path and pixels (3, H, W).

    Args:
        folder: where they are.
        what: it is to be, for messages.
        progress: told how many of how many are done.
        complain: told of photos that cannot be read; they are left out.

    Raises:
        SettingsError: the folder holds no photo that can be read.
    """
    files, read = photo_files(folder, what), 0
    for done, file in enumerate(files, 1):
        try:
            pixels = read_photo(file).pixels
        except PhotoError as error:
            if complain is not None:
                complain(error)
            continue
        read += 1
        yield file, pixels
        if progress is not None:
            progress(done, len(files))
    if not read:
        raise SettingsError(f"{folder}: holds no photo that can be read")
