"""Google Landmarks v2: photos in folders named by the first characters of their ids, and a list of their landmarks.

Weyand et al., "Google Landmarks Dataset v2", CVPR 2020. Photos are ``train/a/b/c/abc….jpg``; the list is ``train.csv``
(id, url, landmark_id) or ``train_clean.csv`` (landmark_id, images). The Recessive paper used the first version, which
is no longer available, and states no split.
"""

import csv
from pathlib import Path

import numpy as np
import torch

from recessive.datasets.folders import base_folder
from recessive.datasets.photos import DataError, FilePhotos, MissingDataError
from recessive.datasets.splits import RetrievalData, Split, divide, draw_per_class, others, random_source

PROTOCOLS = {
    "100": "100 landmarks, drawn from those with at least 50 photos; queries = 5 of each; gallery and training "
    "photos = all others",
}

_WANTED, _LEAST, _QUERIES = 100, 50, 5


def load_landmarks(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read 100 landmarks of Google Landmarks v2, by the cleaned list if ``train_clean.csv`` exists.

    Landmarks are taken in a seeded order; those with fewer than 50 photos on the disk are skipped. A copy of some of
    the 500 archives is therefore enough, but another copy gives other landmarks.

    Raises:
        MissingDataError: if both lists, or the folder ``train``, are missing.
        DataError: if the list is damaged, or fewer than two landmarks have 50 photos.
    """
    base = base_folder(root, ("google-landmarks", "landmarks"), ("train",))
    table = next((base / n for n in ("train_clean.csv", "train.csv") if (base / n).is_file()), None)
    if table is None:
        raise MissingDataError(f"{base} has neither train_clean.csv nor train.csv beside train")
    listed = _listed(table)
    source = random_source(seed)
    candidates = sorted(landmark for landmark, ids in listed.items() if len(ids) >= _LEAST)
    found: dict[int, list[str]] = {}
    for landmark in source.permutation(np.array(candidates, dtype=np.int64)).tolist():
        names = [f"train/{i[0]}/{i[1]}/{i[2]}/{i}.jpg" for i in sorted(listed[landmark])]
        there = [name for name in names if (base / name).is_file()]
        if len(there) >= _LEAST:
            found[landmark] = there
        if len(found) == _WANTED:
            break
    if len(found) < 2:
        raise DataError(f"at least two landmarks with {_LEAST} photos are needed, but there are {len(found)}", base)
    classes = [str(landmark) for landmark in sorted(found)]
    groups = [found[landmark] for landmark in sorted(found)]
    labels = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor([len(group) for group in groups]))
    whole = Split(FilePhotos(base, tuple(name for group in groups for name in group)), labels)
    query = draw_per_class(labels, np.arange(len(whole)), _QUERIES, source, classes=classes, what="landmarks, queries")
    gallery = others(len(whole), query)
    note = f"landmarks by {table.name}"
    if len(found) < _WANTED:
        note += f"; incomplete copy: {len(found)} of {_WANTED} landmarks"
    return RetrievalData("landmarks", protocol, tuple(classes), *divide(whole, query, gallery, gallery), note=note)


def _listed(table: Path) -> dict[int, list[str]]:
    """Landmark to the ids of its photos."""
    listed: dict[int, list[str]] = {}
    try:
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                ids = row["images"].split() if "images" in row else [row["id"]]
                if not all(len(photo) > 2 and photo.isalnum() for photo in ids):
                    raise DataError(f"damaged; landmark {row['landmark_id']} has photo ids {ids[:3]}", table)
                listed.setdefault(int(row["landmark_id"]), []).extend(ids)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, AttributeError) as error:
        raise DataError("damaged, or without columns landmark_id and id or images", table) from error
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"damaged ({error})", table) from error
    return listed
