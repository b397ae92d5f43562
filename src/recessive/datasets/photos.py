"""Photos of data sets: sequences that decode a photo when it is needed, whole, cut out by its box, or as a square.

Training reads millions of photos. Most are plain JPEG or PNG files, which need neither floating point nor colour
management, and a JPEG decoder can shrink a photo while it decodes. `squeezed` takes this short way where it changes
nothing. Any other file, and any file that looks damaged, goes to `recessive.photos`, which reads it or says what is
wrong.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from recessive.errors import RecessiveError
from recessive.photos import MAX_PIXELS, PhotoError, decode_photo, part_within, read_photo
from recessive.photos.formats import HEADER, format_of_content
from recessive.photos.read import DECODER_ERRORS, decoder_warnings

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels of the upright photo."""

_COLOUR_MANAGED = {"icc_profile", "transparency"}


class DataError(RecessiveError, ValueError):
    """A data set is missing, damaged or too small; the message says what to do."""


class MissingDataError(DataError):
    """A file or folder of a data set does not exist; `load_data` adds where to get it."""


def file_content(path: Path) -> bytes:
    """Read a file of a data set.

    Raises:
        MissingDataError: if it does not exist.
        DataError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path) from error


def read_box(values: Iterable[float | str], where: str) -> Box:
    """Convert four numbers, or their text, to a box.

    Args:
        values: left, top, right and bottom, in pixels of the upright photo.
        where: the place of the numbers, which begins the message of an error.

    Raises:
        DataError: if these are not four finite numbers, or the box is empty.
    """
    try:
        left, top, right, bottom = (float(value) for value in values)
    except (TypeError, ValueError):
        raise DataError(f"{where}: damaged; a box is four numbers: left, top, right and bottom") from None
    if not (left < right and top < bottom and all(map(math.isfinite, (left, top, right, bottom)))):
        numbers = f"{left:g} {top:g} {right:g} {bottom:g}"
        raise DataError(f"{where}: damaged; {numbers} is not a box: it must have left < right and top < bottom")
    return left, top, right, bottom


def _empty(box: Box, name: str) -> DataError:
    return DataError(f"{name}: the box {' '.join(f'{edge:g}' for edge in box)} contains no part of the photo")


def cut_out(photo: Tensor, box: Box, name: str) -> Tensor:
    """Cut the box out of a photo, in whole pixels; see `recessive.photos.part_within`.

    Args:
        photo: (3, H, W).
        box: the part to keep.
        name: the name of the photo, which begins the message of an error.

    Returns:
        (3, h, w), a copy.

    Raises:
        DataError: if the box contains no part of the photo.
    """
    part = part_within(photo, box)
    if not part.numel():
        raise _empty(box, name)
    return part.clone()


def squeezed(source: Path | bytes, size: int, *, name: str = "photo", box: Box | None = None) -> Tensor:
    """Decode a photo, turn it upright, cut out the box, and resize that to a square.

    The resampling is bicubic and antialiased. The aspect ratio is lost and transparency is dropped. A JPEG file may be
    halved while it is decoded, but not below twice the size.

    Args:
        source: the path of a file, or its content.
        size: the height and width of the result.
        name: the name of the content in errors; a file is named by its path.
        box: the part to keep, clipped to the photo; None for the whole photo.

    Returns:
        ``(3, size, size)`` uint8, RGB; a grey photo has three equal channels.

    Raises:
        DataError: if it is not an intact photo, or the box lies outside of it; the message names the photo.
    """
    name = str(source) if isinstance(source, Path) else name
    image = _plain(source, size, shrink=box is None)
    if image is None:
        try:
            photo = read_photo(source) if isinstance(source, Path) else decode_photo(source, name)
        except PhotoError as error:
            raise DataError(error.problem, error.path) from error
        image = Image.fromarray((photo.pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy())
    if box is not None:
        left, top, right, bottom = box
        box = (max(0.0, left), max(0.0, top), min(float(image.width), right), min(float(image.height), bottom))
        if not (box[0] < box[2] and box[1] < box[3]):
            raise _empty((left, top, right, bottom), name)
    if box is not None or image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return torch.from_numpy(np.asarray(image.convert("RGB")).transpose(2, 0, 1).copy())


def _plain(source: Path | bytes, size: int, *, shrink: bool) -> Image.Image | None:
    """A photo in a plain JPEG or PNG file; None if `recessive.photos` must read it."""
    try:
        if isinstance(source, Path) and not source.is_file():
            return None
        with (
            BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file,
            decoder_warnings(quiet=False),
        ):
            format_ = format_of_content(file.read(HEADER))
            if format_ not in ("JPEG", "PNG"):
                return None
            file.seek(0)
            image = Image.open(file, formats=(format_,))
            plain = image.mode in ("RGB", "L") and not getattr(image, "is_animated", False)
            if not plain or image.width * image.height > MAX_PIXELS:
                return None
            if shrink:
                image.draft(image.mode, (2 * size, 2 * size))
            image.load()
            if image.info.keys() & _COLOUR_MANAGED:
                return None
            ImageOps.exif_transpose(image, in_place=True)
            return image
    except (*DECODER_ERRORS, Image.DecompressionBombError):
        return None


class Photos(Protocol):
    """A sequence of photos."""

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int] | Tensor, size: int) -> Tensor:
        """Some of the photos, resized to squares: (n, 3, size, size), uint8, RGB.

        Raises:
            DataError: if a file is missing or damaged; the message names it.
        """
        ...

    def photo(self, index: int) -> Tensor:
        """One photo at its own size, cut out by its box if it has one: (3, H, W), float32, RGB in [0, 1].

        Raises:
            DataError: if the file is missing or damaged, or the box contains no part of the photo; the message names
                it.
        """
        ...

    def whole(self, index: int) -> Tensor:
        """The same photo, not cut out."""
        ...

    def box(self, index: int) -> Box | None:
        """The part of the photo that `photo` and `batch` return; None for the whole photo."""
        ...

    def key(self, index: int) -> str:
        """The name of the photo, which is independent of splits, seeds and the order of draws."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayPhotos:
    """Photos in memory.

    Attributes:
        array: uint8 ``(N, C, H, W)``, with C = 3, or C = 1 for grey photos, whose channel `batch` repeats.
        parts: the names and lengths of the parts that the photos come in; the key of a photo is ``part/place``.
    """

    array: Tensor
    parts: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        if self.array.dtype != torch.uint8 or self.array.ndim != 4 or self.array.shape[1] not in (1, 3):
            raise DataError(f"photos must be uint8 (N, 1 or 3, H, W), not {self.array.dtype} {tuple(self.array.shape)}")
        if sum(length for _, length in self.parts) != len(self.array):
            raise DataError(f"{len(self.array)} photos do not divide into parts {self.parts}")

    def __len__(self) -> int:
        return len(self.array)

    def batch(self, indices: Sequence[int] | Tensor, size: int) -> Tensor:
        """Some of the photos, as they are if they have that size, else resized: bicubic and antialiased."""
        found = self.array[torch.as_tensor(indices, dtype=torch.int64)]
        if found.shape[-2:] != (size, size):
            resized = np.empty((len(found), found.shape[1], size, size), np.uint8)
            for planes, outcome in zip(found.numpy(), resized, strict=True):
                for plane, target in zip(planes, outcome, strict=True):
                    target[:] = Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC)
            found = torch.from_numpy(resized)
        return found if found.shape[1] == 3 else found.repeat(1, 3, 1, 1)

    def photo(self, index: int) -> Tensor:
        """The photo, its levels divided by 255."""
        found = self.array[index].float() / 255
        return found if len(found) == 3 else found.repeat(3, 1, 1)

    whole = photo

    def box(self, index: int) -> None:
        """Photos in memory have no boxes."""

    def key(self, index: int) -> str:
        """The key, such as train/17."""
        if index < 0:
            raise IndexError(index)
        for part, length in self.parts:
            if index < length:
                return f"{part}/{index}"
            index -= length
        raise IndexError(index)


@dataclass(frozen=True, eq=False)
class FilePhotos:
    """Photos in files, decoded whenever they are needed. It can be pickled, so worker processes can read from it.

    Attributes:
        root: the folder that the names are relative to.
        names: the files, with ``/`` between folders; the name of a photo is its key.
        boxes: the part of each photo to cut out, None for a whole photo; no boxes at all if every photo is whole.
    """

    root: Path
    names: tuple[str, ...]
    boxes: tuple[Box | None, ...] | None = None

    def __post_init__(self) -> None:
        if self.boxes is not None and len(self.boxes) != len(self.names):
            raise DataError(f"{len(self.boxes)} boxes for {len(self.names)} photos")

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: Sequence[int] | Tensor, size: int) -> Tensor:
        """Some of the photos, decoded one after the other."""
        rows = torch.as_tensor(indices, dtype=torch.int64).tolist()
        found = torch.empty((len(rows), 3, size, size), dtype=torch.uint8)
        for outcome, row in zip(found, rows, strict=True):
            outcome.copy_(squeezed(self.path(row), size, box=self.box(row)))
        return found

    def photo(self, index: int) -> Tensor:
        """The photo; its box in whole pixels (`cut_out`), whereas `batch` resamples from the exact box."""
        box = self.box(index)
        return self.whole(index) if box is None else cut_out(self.whole(index), box, str(self.path(index)))

    def whole(self, index: int) -> Tensor:
        """The photo as `recessive.photos` decodes it."""
        try:
            return read_photo(self.path(index)).pixels
        except PhotoError as error:
            raise DataError(error.problem, error.path) from error

    def box(self, index: int) -> Box | None:
        """The box as it was given: neither rounded nor clipped."""
        return self.boxes[index] if self.boxes else None

    def path(self, index: int) -> Path:
        """The path of the file."""
        return self.root / self.names[index]

    def key(self, index: int) -> str:
        """The key, such as beach/3.jpg."""
        return self.names[index]


@dataclass(frozen=True, eq=False)
class ChosenPhotos:
    """Some photos of a sequence, in any order, without copies.

    Attributes:
        photos: the sequence.
        rows: int64 ``(n,)``, their indices in it.
    """

    photos: Photos
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Sequence[int] | Tensor, size: int) -> Tensor:
        """Some of the chosen photos."""
        return self.photos.batch(self.rows[torch.as_tensor(indices, dtype=torch.int64)], size)

    def photo(self, index: int) -> Tensor:
        """See `Photos`."""
        return self.photos.photo(int(self.rows[index]))

    def whole(self, index: int) -> Tensor:
        """See `Photos`."""
        return self.photos.whole(int(self.rows[index]))

    def box(self, index: int) -> Box | None:
        """See `Photos`."""
        return self.photos.box(int(self.rows[index]))

    def key(self, index: int) -> str:
        """See `Photos`."""
        return self.photos.key(int(self.rows[index]))


def choose(photos: Photos, indices: Sequence[int] | Tensor) -> ChosenPhotos:
    """Choose some of the photos; a choice from chosen photos refers to the sequence that they were chosen from."""
    rows = torch.as_tensor(indices, dtype=torch.int64)
    if isinstance(photos, ChosenPhotos):
        return ChosenPhotos(photos.photos, photos.rows[rows])
    return ChosenPhotos(photos, rows)
