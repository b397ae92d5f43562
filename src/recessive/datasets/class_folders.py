"""Photos in one folder a class, with a training and a validation set: the protocol that ImageNet and Places365 share.

Cao et al., "HashNet: deep learning to hash by continuation", ICCV 2017, section 4.1: some classes at random, their
validation photos are the queries, all their training photos the gallery, 100 of these a class the training photos.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from recessive.datasets.errors import DataError, MissingDataError
from recessive.datasets.photos import FilePhotos
from recessive.datasets.splits import RetrievalData, Split, divide, draw_per_class, random_source
from recessive.photos import format_of_path

PROTOCOLS = {
    "hashnet": "classes are drawn; queries = their validation photos; gallery = their training photos; "
    "train = 100 a class of the gallery",
    "all": "the same queries and gallery; train = gallery",
}

_TRAIN_PER_CLASS = 100


def photo_names(folder: Path, below: Path, *, nested: bool = False) -> list[str]:
    """The photos in a folder, sorted, as names below another folder; hidden files do not count.

    Args:
        folder: where to look.
        below: the folder that the names begin in.
        nested: look in folders inside it as well.

    Raises:
        DataError: the folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error

    found = []
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if nested and not name.startswith(".")]
        start = Path(where).relative_to(below).as_posix()
        found += [f"{start}/{name}" for name in files if not name.startswith(".") and format_of_path(Path(name))]
    return sorted(found)


def subfolders(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted; hidden ones do not count.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error


def base_folder(root: Path, places: Sequence[str], needed: Sequence[str]) -> Path:
    """The first of the places below ``root`` that has all the entries needed.

    Raises:
        MissingDataError: there is none; the message names the entries.
    """
    for place in (*places, "."):
        if all((root / place / entry).exists() for entry in needed):
            return root / place
    raise MissingDataError(f"{root} has no {' and '.join(needed)}")


def class_folder_data(
    name: str, protocol: str, seed: int, base: Path, wanted: int, validation: Callable[[str], list[str]]
) -> RetrievalData:
    """Draws classes, and divides their photos.

    Args:
        name: of the data set.
        protocol: a key of `PROTOCOLS`.
        seed: of the draws.
        base: the folder with ``train/<class>/``.
        wanted: how many classes; all there are, with a note, when there are fewer.
        validation: names of the validation photos of a class, below ``base``.

    Raises:
        DataError: there are fewer than two classes, or a class lacks photos.
    """
    source = random_source(seed)
    folders = subfolders(base / "train")
    if len(folders) < 2:
        raise DataError(f"{base / 'train'}: has {len(folders)} class folders; at least two are needed")
    classes = sorted(source.permutation(folders)[:wanted].tolist())
    queries, trainings = [], []
    for class_ in classes:
        queries.append(validation(class_))
        trainings.append(photo_names(base / "train" / class_, base))
        for word, names in (("validation", queries[-1]), ("training", trainings[-1])):
            if not names:
                raise DataError(f"{base}: class {class_} has no {word} photo")
    numbers = np.arange(len(classes))
    labels = np.concatenate([np.repeat(numbers, [len(n) for n in names]) for names in (queries, trainings)])
    photos = FilePhotos(base, tuple(n for names in (*queries, *trainings) for n in names))
    whole = Split(photos, torch.from_numpy(labels))
    query, gallery = np.split(np.arange(len(whole)), [sum(len(names) for names in queries)])
    train = gallery
    if protocol == "hashnet":
        train = draw_per_class(
            whole.labels, gallery, _TRAIN_PER_CLASS, source, classes=classes, what=f"{name}, training photos"
        )
    note = f"only {len(classes)} of {wanted} classes are there" if len(classes) < wanted else ""
    return RetrievalData(name, protocol, tuple(classes), *divide(whole, query, gallery, train), note=note)
