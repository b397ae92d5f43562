"""MIRFLICKR-25K: 25,000 photos with several labels each.

Huiskes and Lew, "The MIR Flickr retrieval evaluation", 2008. Photos are ``mirflickr/im1.jpg``, ``im2.jpg``, ...; each
label has a file in ``mirflickr25k_annotations_v080`` that lists the numbers of its photos. 24 labels say that something
is visible, 14 more (``_r1``) that the photo is about it.
"""

from pathlib import Path

import numpy as np
import torch

from recessive.datasets.folders import base_folder
from recessive.datasets.photos import DataError, FilePhotos, file_content
from recessive.datasets.splits import RetrievalData, Split, divide, draw, others, random_source

PROTOCOLS = {
    "38": "queries = 2,000, drawn; gallery = all others; training photos = 5,000, drawn from the gallery; photos "
    "without labels are left out",
    "24": "the same with 24 labels, without the 14 stricter ones, whose files end in _r1",
    "rnm": "queries = 500, drawn; gallery and training photos = all others; photos without labels are left out",
}
"""rnm as in Huang, Zhan, Hu and Shi, Machines 2022, section 5.1."""

_SEEN = (
    *("animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor", "lake", "male"),
    *("night", "people", "plant_life", "portrait", "river", "sea", "sky", "structures", "sunset", "transport"),
    *("tree", "water"),
)
_RELEVANT = (
    *("baby_r1", "bird_r1", "car_r1", "clouds_r1", "dog_r1", "female_r1", "flower_r1", "male_r1", "night_r1"),
    *("people_r1", "portrait_r1", "river_r1", "sea_r1", "tree_r1"),
)
_PHOTOS, _ANNOTATIONS = "mirflickr", "mirflickr25k_annotations_v080"


def load_flickr25k(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Read MIRFLICKR-25K.

    Raises:
        MissingDataError: if the photos or an annotation file are missing.
        DataError: if an annotation file is damaged, or there are too few photos.
    """
    base = base_folder(root, ("mirflickr25k", "MIRFLICKR-25K"), (_PHOTOS, _ANNOTATIONS))
    classes = _SEEN if protocol == "24" else _SEEN + _RELEVANT
    numbers = sorted(int(p.stem[2:]) for p in (base / _PHOTOS).glob("im*.jpg") if p.stem[2:].isdecimal())
    place = {number: index for index, number in enumerate(numbers)}
    labels = np.zeros((len(numbers), len(classes)), dtype=bool)
    for column, class_ in enumerate(classes):
        path = base / _ANNOTATIONS / f"{class_}.txt"
        for number in _numbers(path):
            if number not in place:
                raise DataError(f"lists im{number}.jpg, but there is no such photo in {base / _PHOTOS}", path)
            labels[place[number], column] = True
    labelled = np.flatnonzero(labels.any(axis=1))
    photos = FilePhotos(base / _PHOTOS, tuple(f"im{numbers[row]}.jpg" for row in labelled))
    whole = Split(photos, torch.from_numpy(labels[labelled]))

    source, everything = random_source(seed), np.arange(len(whole))
    query = draw(everything, 500 if protocol == "rnm" else 2_000, source, "flickr-25k, queries")
    gallery = others(len(whole), query)
    train = gallery if protocol == "rnm" else draw(gallery, 5_000, source, "flickr-25k, training photos")
    note = f"{len(numbers) - len(whole):,} photos without labels are left out"
    if len(numbers) != 25_000:
        note += f"; incomplete copy: {len(numbers):,} of 25,000 photos"
    return RetrievalData("flickr-25k", protocol, classes, *divide(whole, query, gallery, train), note=note)


def _numbers(path: Path) -> list[int]:
    content = file_content(path)
    try:
        return [int(word) for word in content.split()]
    except ValueError as error:
        raise DataError("damaged; expected a list of numbers of photos", path) from error
