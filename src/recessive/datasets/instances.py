"""A folder of photos of single objects that is divided already: ``query/<class>/*`` and ``database/<class>/*``.

All photos of a query's class in the database are to be found; there is no junk. ``query/boxes.csv`` may say where the
object is in a query: a first line ``name,x1,y1,x2,y2``, and one line a photo, its name below ``query`` (such as
``milk/1.jpg``) and left, top, right and bottom in pixels of the upright photo. Queries without a line stay whole.
"""

import csv
from pathlib import Path

import torch

from recessive.datasets.boxes import read_box
from recessive.datasets.class_folders import photo_names, subfolders
from recessive.datasets.decoding import Box
from recessive.datasets.errors import DataError
from recessive.datasets.photos import FilePhotos
from recessive.datasets.splits import GroundTruth, RetrievalData, Split

PROTOCOLS = {
    "query-database": "queries = query/<class>/*, cut out by query/boxes.csv where it has a box of them; "
    "gallery and train = database/<class>/*; the default where both folders are there",
}

_QUERY, _DATABASE, _BOXES = "query", "database", "boxes.csv"
_COLUMNS = ["name", "x1", "y1", "x2", "y2"]


def is_divided(folder: Path) -> bool:
    """Whether a folder has both of the folders that this is about."""
    return all((folder / side).is_dir() for side in (_QUERY, _DATABASE))


def load_instances(folder: Path, protocol: str) -> RetrievalData:
    """Reads a folder with ``query`` and ``database``.

    Classes without queries are there to distract. Labels are the classes, so that whatever takes labels reads it too;
    `RetrievalData.truth` says the same of each query, with its box.

    Raises:
        DataError: one of the two is not there; there are no queries, or fewer than two classes in the database; a class
            of the queries has no photo in the database; or the boxes are damaged.
    """
    if not is_divided(folder):
        raise DataError(
            f"{folder}: has no folders {_QUERY} and {_DATABASE} beside each other; needed are class folders in both, "
            f"such as {folder / _QUERY / 'milk' / '1.jpg'}"
        )
    asked, there = (_photos(folder / side) for side in (_QUERY, _DATABASE))
    classes = tuple(there)
    if len(classes) < 2:
        raise DataError(f"{folder / _DATABASE}: photos of {len(classes)} classes; needed are two or more class folders")
    if not asked:
        raise DataError(f"{folder / _QUERY}: has no class folder with photos in it")
    for class_ in asked:
        if class_ not in there:
            raise DataError(f"{folder}: class {class_} has queries, but no photo in {_DATABASE} for them to find")

    queries = tuple(name for names in asked.values() for name in names)
    boxes = _boxes(folder / _QUERY / _BOXES, queries)
    ends = torch.tensor([len(names) for names in there.values()]).cumsum(0).tolist()
    members = {class_: tuple(range(end - len(there[class_]), end)) for class_, end in zip(classes, ends, strict=True)}
    asking = [class_ for class_, names in asked.items() for _ in names]
    truth = tuple(
        GroundTruth(name, None, boxes.get(name), members[class_], (), ())
        for name, class_ in zip(queries, asking, strict=True)
    )
    query = FilePhotos(
        folder,
        tuple(f"{_QUERY}/{name}" for name in queries),
        tuple(boxes.get(name) for name in queries) if boxes else None,
    )
    found = FilePhotos(folder, tuple(f"{_DATABASE}/{name}" for names in there.values() for name in names))
    labels = torch.tensor([row for row, names in enumerate(there.values()) for _ in names])
    gallery = Split(found, labels)
    return RetrievalData(
        folder.resolve().name or str(folder),
        protocol,
        classes,
        query=Split(query, torch.tensor([classes.index(class_) for class_ in asking])),
        gallery=gallery,
        train=gallery,
        note=_note(folder, boxes, len(queries)),
        truth=truth,
    )


def _photos(side: Path) -> dict[str, list[str]]:
    """Class to names of its photos below the folder; classes without photos do not count."""
    found = {class_: photo_names(side / class_, side, nested=True) for class_ in subfolders(side)}
    return {class_: names for class_, names in found.items() if names}


def _boxes(path: Path, queries: tuple[str, ...]) -> dict[str, Box]:
    """Query to box; empty where there is no such file."""
    known, boxes = set(queries), dict[str, Box]()
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            if (head := [word.strip() for word in next(lines, [])]) != _COLUMNS:
                raise DataError(f"{path}: begins with {','.join(head)!r}; needed is {','.join(_COLUMNS)!r}")
            for name, *numbers in filter(None, lines):
                where = f"{path}, line {lines.line_num}"
                if name not in known:
                    raise DataError(f"{where}: names {name}, of which there is no photo in {path.parent}")
                if name in boxes:
                    raise DataError(f"{where}: {name} has a box already")
                boxes[name] = read_box(numbers, where)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read or is damaged") from error
    return boxes


def _note(folder: Path, boxes: dict[str, Box], queries: int) -> str:
    notes = []
    if boxes and len(boxes) < queries:
        notes.append(f"{queries - len(boxes)} of {queries} queries have no box and are whole")
    if loose := sum(len(photo_names(where, where)) for where in (folder, folder / _QUERY, folder / _DATABASE)):
        notes.append(f"{loose} photos outside the class folders are left out")
    if beside := [name for name in subfolders(folder) if name not in (_QUERY, _DATABASE)]:
        notes.append(f"folders beside {_QUERY} and {_DATABASE} are left out: {', '.join(beside)}")
    return "; ".join(notes)
