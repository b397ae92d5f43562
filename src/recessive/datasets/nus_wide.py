"""NUS-WIDE: 269,648 photos from Flickr with 81 concepts, several each.

Chua et al., "NUS-WIDE: a real-world web image database from National University of Singapore", 2009.
``ImageList/Imagelist.txt`` lists the photos, ``Groundtruth/AllLabels/Labels_<concept>.txt`` has a 0 or 1 for each of
them, and ``Flickr/<folder>/<photo>.jpg`` are the photos.
"""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray

from recessive.datasets.folders import base_folder
from recessive.datasets.photos import DataError, FilePhotos, file_content
from recessive.datasets.splits import RetrievalData, Split, divide, draw, draw_per_class, others, random_source

PROTOCOLS = {
    "hashnet": "the 21 most frequent concepts; queries = 100 per concept, drawn (2,100); gallery = all others; "
    "training photos = 500 per concept, drawn from the gallery (10,500); photos without any concept are left out",
    "rnm": "all 81 concepts; queries = 500, drawn; gallery and training photos = all others; photos without any of the "
    "concepts are left out",
}
"""Cao et al., ICCV 2017, section 4.1; rnm as in Huang, Zhan, Hu and Shi, Machines 2022, section 5.1."""

_LIST, _LABELS, _PHOTOS = "ImageList/Imagelist.txt", "Groundtruth/AllLabels", "Flickr"
_PREFIX = "Labels_"
_CONCEPTS = 21


def load_nus_wide(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read NUS-WIDE.

    Raises:
        MissingDataError: if the list, the labels or the photos are missing.
        DataError: if a file is damaged, or there are too few photos or concepts.
    """
    base = base_folder(root, ("NUS-WIDE", "nus-wide"), (_LIST, _LABELS, _PHOTOS))
    names = _names(base / _LIST)
    files = sorted((base / _LABELS).glob(f"{_PREFIX}*.txt"))
    if len(files) < _CONCEPTS:
        raise DataError(f"contains {len(files)} of 81 files {_PREFIX}<concept>.txt", base / _LABELS)
    labels = np.stack([_column(path, len(names)) for path in files], axis=1)
    concepts = np.arange(len(files))
    if protocol == "hashnet":
        # Of equally frequent concepts, the first in the alphabet counts.
        concepts = np.sort(np.argsort(-labels.sum(axis=0), kind="stable")[:_CONCEPTS])
    classes = [files[index].stem.removeprefix(_PREFIX) for index in concepts]
    labels = labels[:, concepts]
    labelled = np.flatnonzero(labels.any(axis=1))
    there = np.array(_on_disk(base / _PHOTOS, [names[row] for row in labelled]), dtype=bool)
    rows = labelled[there]
    whole = Split(FilePhotos(base / _PHOTOS, tuple(names[row] for row in rows)), torch.from_numpy(labels[rows]))

    source, everything = random_source(seed), np.arange(len(whole))
    if protocol == "hashnet":
        query = draw_per_class(whole.labels, everything, 100, source, classes=classes, what="nus-wide-21, queries")
        gallery = others(len(whole), query)
        train = draw_per_class(whole.labels, gallery, 500, source, classes=classes, what="nus-wide-21, training photos")
    else:
        query = draw(everything, 500, source, "nus-wide-21, queries")
        gallery = train = others(len(whole), query)
    notes = [f"{len(names) - len(labelled):,} photos without labels are left out"]
    if not there.all():
        notes.append(f"{np.count_nonzero(~there):,} photos of the list are missing")
    return RetrievalData(
        "nus-wide-21", protocol, tuple(classes), *divide(whole, query, gallery, train), note="; ".join(notes)
    )


def _names(path: Path) -> list[str]:
    r"""Names of photos, from lines such as ``actor\0001_2124494179.jpg``."""
    content = file_content(path)
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise DataError("damaged; expected text in UTF-8", path) from error
    names = [line.strip().replace("\\", "/") for line in lines if line.strip()]
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in name.split("/"):
            raise DataError(f"damaged; it lists {name}", path)
    return names


def _column(path: Path, photos: int) -> NDArray[np.bool_]:
    words = file_content(path).split()
    if not set(words) <= {b"0", b"1"}:
        raise DataError("damaged; expected 0 or 1 on each line", path)
    if len(words) != photos:
        raise DataError(f"contains {len(words)} labels, but {_LIST} lists {photos} photos", path)
    column: NDArray[np.bool_] = np.frombuffer(b"".join(words), np.uint8) == ord("1")
    return column


def _on_disk(folder: Path, names: Sequence[str]) -> list[bool]:
    """Whether each photo exists; each folder is listed once, since it holds hundreds of photos."""
    listed: dict[str, set[str]] = {}
    found = []
    for name in names:
        inside, _, base = name.rpartition("/")
        if inside not in listed:
            listed[inside] = set(os.listdir(folder / inside)) if (folder / inside).is_dir() else set()  # noqa: PTH208
        found.append(base in listed[inside])
    return found
