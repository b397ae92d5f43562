"""ImageNet and Places365, a tenth of the classes of each: class folders with a training and a validation set.

The protocol is that of Cao et al., "HashNet: deep learning to hash by continuation", ICCV 2017, section 4.1: some
classes are drawn; their validation photos are the queries, all their training photos the gallery, and 100 per class of
these the training photos.

ImageNet (ILSVRC 2012) has ``train/<wnid>/*.JPEG`` and ``val/<wnid>/*.JPEG``. Validation photos in one folder, as in the
official archive, are assigned to classes by ``LOC_val_solution.csv``. Places365-Standard (Zhou et al., "Places: a 10
million image database for scene recognition", 2017) has ``places365_standard/{train,val}/<class>/*.jpg``, from the
archive with photos of 256 x 256 pixels in easy directories.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from recessive.datasets.folders import base_folder, photo_names, subfolders
from recessive.datasets.photos import DataError, FilePhotos, MissingDataError
from recessive.datasets.splits import RetrievalData, Split, divide, draw_per_class, random_source

PROTOCOLS = {
    "hashnet": "classes are drawn; queries = their validation photos; gallery = their training photos; training photos "
    "= 100 per class, drawn from the gallery",
    "all": "the same queries and gallery; training photos = the gallery",
}

_TRAIN_PER_CLASS = 100
_SOLUTION = "LOC_val_solution.csv"
_PLACES = ("imagenet", "ILSVRC2012", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")


def load_imagenet(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read 100 classes of ImageNet.

    Raises:
        MissingDataError: if ``train`` or ``val`` is missing, or nothing assigns the validation photos to classes.
        DataError: if a class lacks photos, or the list of classes is damaged.
    """
    base = base_folder(root, _PLACES, ("train", "val"))
    if subfolders(base / "val"):
        return _class_folders("imagenet-100", protocol, seed, base, 100)
    solution = next((f / _SOLUTION for f in (base, root, base.parent.parent) if (f / _SOLUTION).is_file()), None)
    if solution is None:
        raise MissingDataError(f"{base} has neither val/<wnid> folders nor {_SOLUTION} to sort the photos in val by")
    wnids = _wnids(solution)
    by_class: dict[str, list[str]] = {}
    for name in photo_names(base / "val", base):
        wnid = wnids.get(Path(name).stem)
        if wnid is None:
            raise DataError(f"does not list {name}", solution)
        by_class.setdefault(wnid, []).append(name)
    return class_folder_data("imagenet-100", protocol, seed, base, 100, lambda wnid: by_class.get(wnid, []))


def load_places365(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read 36 classes of Places365.

    Raises:
        MissingDataError: if ``train`` or ``val`` is missing.
        DataError: if a class lacks photos.
    """
    base = base_folder(root, ("places365_standard",), ("train", "val"))
    return _class_folders("places365-36", protocol, seed, base, 36)


def _class_folders(name: str, protocol: str, seed: int, base: Path, wanted: int) -> RetrievalData:
    return class_folder_data(
        name, protocol, seed, base, wanted, lambda class_: photo_names(base / "val" / class_, base)
    )


def _wnids(solution: Path) -> dict[str, str]:
    """Photo to wnid, from lines such as ``ILSVRC2012_val_00048981,n03995372 85 1 499 272``."""
    try:
        with solution.open(newline="", encoding="utf-8") as file:
            return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError, IndexError) as error:
        raise DataError("damaged, or not a list of ImageId,PredictionString", solution) from error


def class_folder_data(
    name: str, protocol: str, seed: int, base: Path, wanted: int, validation: Callable[[str], list[str]]
) -> RetrievalData:
    """Draw classes, and divide their photos.

    Args:
        name: the name of the data set.
        protocol: a key of `PROTOCOLS`.
        seed: the seed of the draws.
        base: the folder with ``train/<class>/``.
        wanted: the number of classes; if there are fewer, all are taken, with a note.
        validation: returns the names of the validation photos of a class, relative to ``base``.

    Raises:
        DataError: if there are fewer than two classes, or a class lacks photos.
    """
    source = random_source(seed)
    folders = subfolders(base / "train")
    if len(folders) < 2:
        raise DataError(f"expected at least two class folders, found {len(folders)}", base / "train")
    classes = sorted(source.permutation(folders)[:wanted].tolist())
    queries, trainings = [], []
    for class_ in classes:
        queries.append(validation(class_))
        trainings.append(photo_names(base / "train" / class_, base))
        for word, names in (("validation", queries[-1]), ("training", trainings[-1])):
            if not names:
                raise DataError(f"class {class_} has no {word} photos", base)
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
    note = f"incomplete copy: {len(classes)} of {wanted} classes" if len(classes) < wanted else ""
    return RetrievalData(name, protocol, tuple(classes), *divide(whole, query, gallery, train), note=note)
