"""What the owner gives a method from folders: a sample, labelled where it has one folder a class, and targets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recessive.encoders import Encoder, encode
from recessive.errors import SettingsError
from recessive.files import digest, file_digest
from recessive.photos import PhotoError, read_photo
from recessive.photos.folders import photos_below
from recessive.searchers import items
from recessive.searchers.reference_set import MOST_FOR_A_THRESHOLD
from recessive.transforms.transform import shrink

_NAMED = 20  # classes, in a message


@dataclass(frozen=True)
class OwnersSample:
    """The owner's photos as each encoder describes them.

    Attributes:
        items: codes or descriptors (S, D), one tensor an encoder.
        classes: the sorted names of the folders; empty when a photo lies outside of them.
        labels: the place of each photo's class in `classes`, (S,) int64; None without classes.
        first: the first photos (3, h, w) themselves, on which a threshold can be found.
        digest: the digest of the names and contents of the files.
    """

    items: tuple[Tensor, ...]
    classes: tuple[str, ...]
    labels: Tensor | None
    first: tuple[Tensor, ...]
    digest: str


@dataclass(frozen=True)
class Targets:
    """Photos that a protected photo shall be taken for.

    Attributes:
        photos: (3, h, w) each, at most as large as the grid.
        digest: the digest of the contents of the files.
    """

    photos: tuple[Tensor, ...]
    digest: str


@torch.no_grad()
def read_sample(
    folder: Path,
    encoders: Sequence[Encoder],
    device: torch.device,
    *,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[PhotoError], None] | None = None,
) -> OwnersSample:
    """Read and describe the owner's photos. With one folder a class they are labelled by its name.

    Args:
        folder: the folder of photos; a photo's class is the first folder on the way to it.
        encoders: the encoders, on the device.
        device: where the items will lie.
        progress: called with (photos read, photos in total).
        on_error: called with the error of each photo that cannot be read; those are left out.

    Raises:
        SettingsError: if it is no folder, or holds no photo that can be read.
    """
    rows, names, parts = [], [], []
    first: list[Tensor] = []
    for file, pixels in photos_below(folder, "an owner's sample", progress=progress, on_error=on_error):
        outputs = encode(encoders, pixels[None].to(device))
        rows.append([items(encoder, output) for encoder, output in zip(encoders, outputs, strict=True)])
        inside = file.relative_to(folder)
        names.append(inside.parts[0] if len(inside.parts) > 1 else None)
        parts += [os.fsencode(inside), file_digest(file)]
        if len(first) < MOST_FOR_A_THRESHOLD:
            first.append(pixels)
    found = tuple(torch.cat(column) for column in zip(*rows, strict=True))
    known = [name for name in names if name is not None]
    classes = sorted(set(known)) if len(known) == len(names) else []
    labels = torch.tensor([classes.index(name) for name in known]) if classes else None
    return OwnersSample(found, tuple(classes), labels, tuple(first), digest(*parts))


def label_of(name: str, sample: OwnersSample | None, folder: Path | None) -> Tensor:
    """The label of photos of one class, (1,) int64.

    Args:
        name: the name of the class.
        sample: the sample, when there is one.
        folder: the folder that it was read from.

    Raises:
        SettingsError: if the sample has no classes, or none of that name.
    """
    if sample is None:
        raise SettingsError(f"--label {name} is the name of a folder in --sample DIR; give that, too")
    if sample.labels is None:
        raise SettingsError(
            f"{folder}: with --label each of its photos lies in the folder of its class, such as {name}/1.jpg"
        )
    if name not in sample.classes:
        some = ", ".join(sample.classes[:_NAMED]) + (", ..." if len(sample.classes) > _NAMED else "")
        raise SettingsError(f"{folder}: holds no photos of a class {name!r}; there are {some}")
    return torch.tensor([sample.classes.index(name)])


def read_targets(
    paths: Sequence[Path], grid: int, *, on_error: Callable[[PhotoError], None] | None = None
) -> Targets | None:
    """Read the photos that others shall be taken for; None when there are no paths.

    Args:
        paths: photos, or folders of photos.
        grid: the long side, in pixels, to which larger ones are shrunk: encoders see no more of them.
        on_error: called with the error of each photo in a folder that cannot be read; those are left out.

    Raises:
        SettingsError: if a named photo cannot be read, or a folder holds none that can be read.
    """
    if not paths:
        return None
    photos, parts = [], []
    for path in paths:
        for file, pixels in _target_files(path, on_error):
            photos.append(shrink(pixels[None], grid)[0])
            parts.append(file_digest(file))
    return Targets(tuple(photos), digest(*parts))


def _target_files(path: Path, on_error: Callable[[PhotoError], None] | None) -> Iterator[tuple[Path, Tensor]]:
    """The readable photos of a folder, or the one photo that is named and must be readable."""
    if path.is_dir():
        yield from photos_below(path, "a target", on_error=on_error)
        return
    try:
        yield path, read_photo(path).pixels
    except PhotoError as error:
        raise SettingsError(f"--target {error}") from None
