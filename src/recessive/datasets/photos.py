"""Sequences of photos, read when asked for: in memory, or in files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recessive.datasets.boxes import cut_out
from recessive.datasets.decoding import Box, squeezed
from recessive.datasets.errors import DataError
from recessive.photos import PhotoError, read_photo


class Photos(Protocol):
    """A sequence of photos."""

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int] | Tensor, size: int) -> Tensor:
        """Some of the photos, squeezed to a square: (n, 3, size, size), uint8, RGB.

        Raises:
            DataError: a file is missing or damaged; the message names it.
        """
        ...

    def photo(self, index: int) -> Tensor:
        """One photo at its own size, cut out by its box where it has one: (3, H, W), float32, RGB in [0, 1].

        Raises:
            DataError: the file is missing or damaged, or the box holds nothing of the photo; the message names it.
        """
        ...

    def whole(self, index: int) -> Tensor:
        """The same without the box being cut out."""
        ...

    def box(self, index: int) -> Box | None:
        """The part of the whole photo that `photo` and `batch` give; None for all of it."""
        ...

    def key(self, index: int) -> str:
        """The photo's name, which does not depend on splits, seeds or the order of drawing."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayPhotos:
    """Photos in memory.

    Attributes:
        array: uint8 ``(N, C, H, W)`` with C = 3, or C = 1 for grey photos, which `batch` repeats.
        parts: the names and lengths of the parts that the photos come in; a photo's key is ``part/place``.
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
        """Some of the photos: plain indexing when they have that size already, else bicubic, antialiased."""
        found = self.array[torch.as_tensor(indices, dtype=torch.int64)]
        if found.shape[-2:] != (size, size):
            resized = np.empty((len(found), found.shape[1], size, size), np.uint8)
            for planes, outcome in zip(found.numpy(), resized, strict=True):
                for plane, target in zip(planes, outcome, strict=True):
                    target[:] = Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC)
            found = torch.from_numpy(resized)
        return found if found.shape[1] == 3 else found.repeat(1, 3, 1, 1)

    def photo(self, index: int) -> Tensor:
        """The photo, all of it."""
        return self.whole(index)

    def whole(self, index: int) -> Tensor:
        """The photo, its levels divided by 255."""
        found = self.array[index].float() / 255
        return found if len(found) == 3 else found.repeat(3, 1, 1)

    def box(self, index: int) -> None:
        """Photos in memory have none."""

    def key(self, index: int) -> str:
        """Such as train/17."""
        if index < 0:
            raise IndexError(index)
        for part, length in self.parts:
            if index < length:
                return f"{part}/{index}"
            index -= length
        raise IndexError(index)


@dataclass(frozen=True, eq=False)
class FilePhotos:
    """Photos in files, decoded at each asking; it pickles, so worker processes can read from it.

    Attributes:
        root: the folder that the names begin in.
        names: the files below it, with ``/`` between folders; they are the keys.
        boxes: the part to cut out of each photo, None for one that stays whole; all do when there are no boxes.
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
        """The photo, decoded; of its box whole pixels (`cut_out`), where `batch` resamples from the box as it is."""
        box = self.box(index)
        return self.whole(index) if box is None else cut_out(self.whole(index), box, str(self.path(index)))

    def whole(self, index: int) -> Tensor:
        """The photo, decoded as `recessive.photos` does."""
        try:
            return read_photo(self.path(index)).pixels
        except PhotoError as error:
            raise DataError(str(error)) from error

    def box(self, index: int) -> Box | None:
        """As it was given: neither rounded nor clipped."""
        return self.boxes[index] if self.boxes else None

    def path(self, index: int) -> Path:
        """The file."""
        return self.root / self.names[index]

    def key(self, index: int) -> str:
        """Such as beach/3.jpg."""
        return self.names[index]


@dataclass(frozen=True, eq=False)
class ChosenPhotos:
    """Some photos of a sequence, in the order chosen; nothing is copied.

    Attributes:
        photos: the sequence.
        rows: int64 ``(n,)``, places in it.
    """

    photos: Photos
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, indices: Sequence[int] | Tensor, size: int) -> Tensor:
        """Some of the chosen photos."""
        return self.photos.batch(self.rows[torch.as_tensor(indices, dtype=torch.int64)], size)

    def photo(self, index: int) -> Tensor:
        """As the sequence gives it."""
        return self.photos.photo(int(self.rows[index]))

    def whole(self, index: int) -> Tensor:
        """As the sequence gives it."""
        return self.photos.whole(int(self.rows[index]))

    def box(self, index: int) -> Box | None:
        """The box that the sequence gives."""
        return self.photos.box(int(self.rows[index]))

    def key(self, index: int) -> str:
        """The key that the sequence gives."""
        return self.photos.key(int(self.rows[index]))


def choose(photos: Photos, indices: Sequence[int] | Tensor) -> ChosenPhotos:
    """Some of the photos; a choice among chosen photos refers to the sequence that they were chosen from."""
    rows = torch.as_tensor(indices, dtype=torch.int64)
    if isinstance(photos, ChosenPhotos):
        return ChosenPhotos(photos.photos, photos.rows[rows])
    return ChosenPhotos(photos, rows)
