"""What the owner gives a method from folders: a sample, by class where it has classes, and targets."""

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
from recessive.searchers.describers import items
from recessive.transforms.grid import shrink

_NAMED = 20  # classes, in a message


@dataclass(frozen=True)
class OwnersSample:
    """The owner's photos through each encoder.

    Attributes:
        items: codes or descriptors (S, D), one tensor an encoder.
        classes: names of the folders, sorted; none where a photo lies outside of them.
        labels: of each photo, its place in `classes`: (S,) int64; None without classes.
        digest: of the names and contents of the files.
    """

    items: tuple[Tensor, ...]
    classes: tuple[str, ...]
    labels: Tensor | None
    digest: str


@dataclass(frozen=True)
class Targets:
    """Photos to be taken for.

    Attributes:
        photos: (3, h, w) each, at most as large as the grid.
        digest: of the contents of the files.
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
    complain: Callable[[PhotoError], None] | None = None,
) -> OwnersSample:
    """Read and encode the owner's photos; with one folder a class they are labelled by its name.

    Args:
        folder: of photos; a photo's class is the first folder on the way to it.
        encoders: that lie on the device.
        device: where the items will lie.
        progress: told how many of how many photos are done.
        complain: told of photos that cannot be read; they are left out.

    Raises:
        SettingsError: it is no folder, or holds no photo that can be read.
    """
    rows, names, parts = [], [], []
    for file, pixels in photos_below(folder, "an owner's sample", progress=progress, on_error=complain):
        outputs = encode(encoders, pixels[None].to(device))
        rows.append([items(encoder, output) for encoder, output in zip(encoders, outputs, strict=True)])
        inside = file.relative_to(folder)
        names.append(inside.parts[0] if len(inside.parts) > 1 else None)
        parts += [os.fsencode(inside), file_digest(file)]
    found = tuple(torch.cat(column) for column in zip(*rows, strict=True))
    known = [name for name in names if name is not None]
    if len(known) < len(names):
        return OwnersSample(found, (), None, digest(*parts))
    classes = sorted(set(known))
    labels = torch.tensor([classes.index(name) for name in known])
    return OwnersSample(found, tuple(classes), labels, digest(*parts))


def label_of(name: str, sample: OwnersSample | None, folder: Path | None) -> Tensor:
    """The label of photos of a class: (1,) int64.

    Args:
        name: of the class.
        sample: as read, if there is one.
        folder: it was read from.

    Raises:
        SettingsError: the sample has no classes, or none of that name.
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
    paths: Sequence[Path], grid: int, *, complain: Callable[[PhotoError], None] | None = None
) -> Targets | None:
    """Read what photos shall be taken for; None where there are no paths.

    Args:
        paths: photos, or folders of photos.
        grid: they are brought down to so many pixels on the long side: encoders see no more of them.
        complain: told of photos in folders that cannot be read; they are left out.

    Raises:
        SettingsError: a photo cannot be read, or a folder holds none that can be.
    """
    if not paths:
        return None
    photos, parts = [], []
    for path in paths:
        for file, pixels in _target_files(path, complain):
            photos.append(shrink(pixels[None], grid)[0])
            parts.append(file_digest(file))
    return Targets(tuple(photos), digest(*parts))


def _target_files(path: Path, complain: Callable[[PhotoError], None] | None) -> Iterator[tuple[Path, Tensor]]:
    """The photos of a folder that can be read, or one that is named and so has to be there."""
    if path.is_dir():
        yield from photos_below(path, "a target", on_error=complain)
        return
    try:
        yield path, read_photo(path).pixels
    except PhotoError as error:
        raise SettingsError(f"--target {error}") from None
