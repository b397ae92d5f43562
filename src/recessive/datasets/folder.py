"""Any folder of photos: its folders are the classes, and photos may lie in folders inside these.

A folder with the two folders ``query`` and ``database`` is divided already, and read by `recessive.datasets.instances`
unless ``tenth`` is asked for.
"""

from pathlib import Path

import numpy as np
import torch

from recessive.datasets import instances
from recessive.datasets.class_folders import photo_names, subfolders
from recessive.datasets.errors import DataError
from recessive.datasets.photos import FilePhotos
from recessive.datasets.splits import RetrievalData, Split, divide, draw, others, random_source

PROTOCOLS = {
    "tenth": "queries = a tenth of each class, at least one photo, drawn; gallery and train = all others",
    **instances.PROTOCOLS,
}

_PART = 10  # one query in as many photos
_SPLIT_NAMES = {"train", "training", "test", "val", "valid", "validation", "query", "queries", "gallery", "database"}


def default_protocol(folder: Path) -> str:
    """``query-database`` where both of its folders are there, else ``tenth``."""
    return "query-database" if instances.is_divided(folder) else "tenth"


def load_folder(folder: Path, protocol: str, seed: int) -> RetrievalData:
    """Reads a folder of class folders, or, by ``query-database``, one that is divided already.

    Raises:
        DataError: there are no class folders, or fewer than two; a class has fewer than two photos; the folders
            look like splits instead of classes. Or as `instances.load_instances` has it.
    """
    if protocol == "query-database":
        return instances.load_instances(folder, protocol)
    classes = subfolders(folder)
    loose = photo_names(folder, folder)
    layout = f"one folder a class with photos in it, such as {folder / 'beach' / '1.jpg'}"
    if not classes:
        what = f"its {len(loose)} photos lie in no class folders" if loose else "it has no folders"
        raise DataError(f"{folder}: {what}; needed is {layout}")
    if len(classes) < 2:
        raise DataError(f"{folder}: {classes[0]} is its only class; needed are two or more, {layout}")
    if all(name.lower() in _SPLIT_NAMES for name in classes):
        raise DataError(f"{folder}: {', '.join(classes)} look like splits, not classes; needed is {layout}")
    groups = [photo_names(folder / class_, folder, nested=True) for class_ in classes]
    for class_, names in zip(classes, groups, strict=True):
        if len(names) < 2:
            count = "one photo" if names else "no photo"
            raise DataError(f"{folder}: class {class_} has {count}; it needs two, a query and one to find")
    labels = np.repeat(np.arange(len(classes)), [len(names) for names in groups])
    whole = Split(FilePhotos(folder, tuple(name for names in groups for name in names)), torch.from_numpy(labels))
    source = random_source(seed)
    members = [np.flatnonzero(labels == number) for number in range(len(classes))]
    query = np.concatenate([draw(rows, max(1, len(rows) // _PART), source, str(folder)) for rows in members])
    gallery = others(len(whole), query)
    note = f"{len(loose)} photos outside the class folders are left out" if loose else ""
    name = folder.resolve().name or str(folder)
    return RetrievalData(name, protocol, tuple(classes), *divide(whole, query, gallery, gallery), note=note)
