"""The protocols of the small data sets with a training set and a test set of ten classes."""

from collections.abc import Sequence

import numpy as np

from recessive.datasets.errors import DataError
from recessive.datasets.photos import ArrayPhotos
from recessive.datasets.splits import RetrievalData, Split, divide, draw_per_class, others, random_source

PROTOCOLS = {
    "hashstash": "queries = 100 a class, drawn from the test set; gallery and train = the training set",
    "I": "queries = 100 a class, drawn from both sets; gallery = all others; train = 500 a class of the gallery",
    "II": "queries = the test set; gallery and train = the training set",
}
"""hashstash after Xiao, Wang and Gao, CVPR 2020, section 5; I as in DPSH (IJCAI 2016), II as in DSH (CVPR 2016)."""


def ten_class_data(
    name: str, protocol: str, seed: int, whole: Split, classes: Sequence[str], note: str, official: tuple[int, int]
) -> RetrievalData:
    """Divides training and test set, of which ``whole`` is made in this order.

    Args:
        name: of the data set.
        protocol: a key of `PROTOCOLS`.
        seed: of the draws.
        whole: the photos, an `ArrayPhotos` of two parts.
        classes: their names.
        note: what a reader of figures must know.
        official: how many photos the training set and the test set ought to have.

    Raises:
        DataError: a part is empty, or a class has too few photos.
    """
    photos = whole.photos
    assert isinstance(photos, ArrayPhotos)  # noqa: S101 - for the type checker
    for part, length in photos.parts:
        if not length:
            raise DataError(f"{name}: the {part} set is empty")
    (_, training), (_, testing) = photos.parts
    train, test = np.arange(training), np.arange(training, training + testing)
    source = random_source(seed)
    if protocol == "hashstash":
        query = draw_per_class(whole.labels, test, 100, source, classes=classes, what=f"{name}, queries")
        gallery = train
    elif protocol == "I":
        everything = np.concatenate([train, test])
        query = draw_per_class(whole.labels, everything, 100, source, classes=classes, what=f"{name}, queries")
        gallery = others(len(whole), query)
        train = draw_per_class(whole.labels, gallery, 500, source, classes=classes, what=f"{name}, training photos")
    else:
        query, gallery = test, train
    missing = sum(official) - len(whole)
    notes = [note, f"incomplete copy: {len(whole):,} of {sum(official):,} photos" if missing else ""]
    return RetrievalData(
        name, protocol, tuple(classes), *divide(whole, query, gallery, train), note="; ".join(filter(None, notes))
    )
