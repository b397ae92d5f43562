"""Photos in folders: how they are found, and data sets that are nothing but folders.

Any folder with one folder of photos per class is a data set (``tenth``); photos may lie in folders inside these. A
folder with ``query/<class>/*`` and ``database/<class>/*``, such as photos of single objects, is divided already
(``query-database``): all photos of a query's class in the database are relevant, and there is no junk.
``query/boxes.csv`` may say where the object is in a query: a first line ``name,x1,y1,x2,y2``, then one line per photo
with its name below ``query`` (such as ``milk/1.jpg``) and left, top, right and bottom in pixels of the upright photo.
Queries without a line stay whole.
"""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from recessive.datasets.photos import Box, DataError, FilePhotos, MissingDataError, read_box
from recessive.datasets.splits import GroundTruth, RetrievalData, Split, divide, draw, others, random_source
from recessive.photos import format_of_path

PROTOCOLS = {
    "tenth": "queries = a tenth of each class, at least one photo, drawn; gallery and training photos = all others",
    "query-database": "queries = query/<class>/*, cut out if query/boxes.csv has a box; gallery and training photos = "
    "database/<class>/*; the default if both folders exist",
}

_PART = 10  # photos per query
_SPLIT_NAMES = {"train", "training", "test", "val", "valid", "validation", "query", "queries", "gallery", "database"}
_QUERY, _DATABASE, _BOXES = "query", "database", "boxes.csv"
_COLUMNS = ["name", "x1", "y1", "x2", "y2"]


def photo_names(folder: Path, below: Path, *, nested: bool = False) -> list[str]:
    """List the photos in a folder, sorted; hidden files do not count.

    Args:
        folder: the folder to search.
        below: the folder that the names are relative to.
        nested: search the folders inside it as well.

    Raises:
        DataError: if the folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise DataError(f"cannot be read: {error.strerror or error}", folder) from error

    found = []
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if nested and not name.startswith(".")]
        start = Path(where).relative_to(below).as_posix()
        found += [f"{start}/{name}" for name in files if not name.startswith(".") and format_of_path(Path(name))]
    return sorted(found)


def subfolders(folder: Path) -> list[str]:
    """List the names of the folders in a folder, sorted; hidden ones do not count.

    Raises:
        DataError: if the folder cannot be read.
    """
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", folder) from error


def base_folder(root: Path, places: Sequence[str], needed: Sequence[str]) -> Path:
    """The first of the places below ``root``, or ``root`` itself, that contains everything needed.

    Raises:
        MissingDataError: if there is none; the message names what is needed.
    """
    for place in (*places, "."):
        if all((root / place / entry).exists() for entry in needed):
            return root / place
    raise MissingDataError(f"{root} has no {' and '.join(needed)}")


def default_protocol(folder: Path) -> str:
    """``query-database`` if both of its folders exist, else ``tenth``."""
    return "query-database" if _is_divided(folder) else "tenth"


def load_folder(folder: Path, protocol: str, seed: int) -> RetrievalData:
    """Read a folder of photos by one of `PROTOCOLS`.

    Raises:
        DataError: if folders or photos are missing or too few, if the classes look like splits, or if the boxes are
            damaged.
    """
    return _load_divided(folder) if protocol == "query-database" else _load_classes(folder, seed)


def _name(folder: Path) -> str:
    return folder.resolve().name or str(folder)


def _load_classes(folder: Path, seed: int) -> RetrievalData:
    classes = subfolders(folder)
    loose = photo_names(folder, folder)
    layout = f"one folder per class with photos in it, such as {folder / 'beach' / '1.jpg'}"
    if not classes:
        what = f"{len(loose)} photos are not in class folders" if loose else "there are no folders"
        raise DataError(f"{what}; expected {layout}", folder)
    if len(classes) < 2:
        raise DataError(f"{classes[0]} is the only class; expected at least two, {layout}", folder)
    if all(name.lower() in _SPLIT_NAMES for name in classes):
        raise DataError(f"{', '.join(classes)} look like splits, not classes; expected {layout}", folder)
    groups = [photo_names(folder / class_, folder, nested=True) for class_ in classes]
    for class_, names in zip(classes, groups, strict=True):
        if len(names) < 2:
            count = "one photo" if names else "no photos"
            raise DataError(f"class {class_} has {count}; it needs at least two, a query and one to find", folder)
    labels = np.repeat(np.arange(len(classes)), [len(names) for names in groups])
    whole = Split(FilePhotos(folder, tuple(name for names in groups for name in names)), torch.from_numpy(labels))
    source = random_source(seed)
    members = [np.flatnonzero(labels == number) for number in range(len(classes))]
    query = np.concatenate([draw(rows, max(1, len(rows) // _PART), source, str(folder)) for rows in members])
    gallery = others(len(whole), query)
    note = f"{len(loose)} photos outside of the class folders are ignored" if loose else ""
    return RetrievalData(_name(folder), "tenth", tuple(classes), *divide(whole, query, gallery, gallery), note=note)


def _is_divided(folder: Path) -> bool:
    return all((folder / side).is_dir() for side in (_QUERY, _DATABASE))


def _load_divided(folder: Path) -> RetrievalData:
    """Read a folder with ``query`` and ``database``; a class without queries only adds photos to the gallery.

    The labels are the classes, for whatever needs labels; `RetrievalData.truth` says the same of each query, with its
    box.
    """
    if not _is_divided(folder):
        raise DataError(
            f"there are no folders {_QUERY} and {_DATABASE}; expected class folders in both, such as "
            f"{folder / _QUERY / 'milk' / '1.jpg'}",
            folder,
        )
    asking, held = (_photos(folder / side) for side in (_QUERY, _DATABASE))
    classes = tuple(held)
    if len(classes) < 2:
        raise DataError(f"{len(classes)} classes have photos; expected at least two class folders", folder / _DATABASE)
    if not asking:
        raise DataError("no class folder contains photos", folder / _QUERY)
    for class_ in asking:
        if class_ not in held:
            raise DataError(f"class {class_} has queries, but no photo in {_DATABASE} for them to find", folder)

    queries = tuple(name for names in asking.values() for name in names)
    boxes = _boxes(folder / _QUERY / _BOXES, queries)
    labels = torch.tensor([row for row, names in enumerate(held.values()) for _ in names])
    query_labels = torch.tensor([classes.index(class_) for class_, names in asking.items() for _ in names])
    members = [tuple((labels == row).nonzero().flatten().tolist()) for row in range(len(classes))]
    truth = tuple(
        GroundTruth(name, None, boxes.get(name), members[row], (), ())
        for name, row in zip(queries, query_labels.tolist(), strict=True)
    )
    query = FilePhotos(
        folder,
        tuple(f"{_QUERY}/{name}" for name in queries),
        tuple(boxes.get(name) for name in queries) if boxes else None,
    )
    names = tuple(f"{_DATABASE}/{name}" for names in held.values() for name in names)
    gallery = Split(FilePhotos(folder, names), labels)
    notes = []
    if boxes and len(boxes) < len(queries):
        notes.append(f"{len(queries) - len(boxes)} of {len(queries)} queries have no box and stay whole")
    if loose := sum(len(photo_names(where, where)) for where in (folder, folder / _QUERY, folder / _DATABASE)):
        notes.append(f"{loose} photos outside of the class folders are ignored")
    if beside := [name for name in subfolders(folder) if name not in (_QUERY, _DATABASE)]:
        notes.append(f"other folders beside {_QUERY} and {_DATABASE} are ignored: {', '.join(beside)}")
    return RetrievalData(
        _name(folder),
        "query-database",
        classes,
        query=Split(query, query_labels),
        gallery=gallery,
        train=gallery,
        note="; ".join(notes),
        truth=truth,
    )


def _photos(side: Path) -> dict[str, list[str]]:
    """Class to the names of its photos, relative to the folder; classes without photos do not count."""
    found = {class_: photo_names(side / class_, side, nested=True) for class_ in subfolders(side)}
    return {class_: names for class_, names in found.items() if names}


def _boxes(path: Path, queries: tuple[str, ...]) -> dict[str, Box]:
    """Query to box; empty if there is no such file."""
    known, boxes = set(queries), dict[str, Box]()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            if (head := [word.strip() for word in next(lines, [])]) != _COLUMNS:
                raise DataError(f"the first line is {','.join(head)!r}; expected {','.join(_COLUMNS)!r}", path)
            for name, *numbers in filter(None, lines):
                where = f"{path}, line {lines.line_num}"
                if name not in known:
                    raise DataError(f"{where}: lists {name}, but there is no such photo in {path.parent}")
                if name in boxes:
                    raise DataError(f"{where}: lists a second box of {name}")
                boxes[name] = read_box(numbers, where)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("cannot be read or is damaged", path) from error
    return boxes
