"""Queries, gallery and training photos, and how they are drawn.

Everything is drawn from `random_source(seed)`, so a seed gives the same splits on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recessive.datasets.photos import ArrayPhotos, Box, DataError, Photos, choose

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Photos and their labels.

    Attributes:
        photos: N photos.
        labels: int64 ``(N,)``, one class per photo; or bool ``(N, L)``, any of L classes.
    """

    photos: Photos
    labels: Tensor

    def __post_init__(self) -> None:
        if (self.labels.dtype, self.labels.ndim) not in ((torch.int64, 1), (torch.bool, 2)):
            raise DataError(f"labels must be int64 (N,) or bool (N, L), not {self.labels.dtype} {self.labels.ndim}-D")
        if len(self.labels) != len(self.photos):
            raise DataError(f"{len(self.photos)} photos have {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Sequence[int] | Tensor) -> "Split":
        """Some of the photos with their labels, in the order of the indices."""
        rows = torch.as_tensor(indices, dtype=torch.int64)
        return Split(choose(self.photos, rows), self.labels[rows])


@dataclass(frozen=True)
class GroundTruth:
    """What a query should find, according to people who judged each photo.

    Attributes:
        name: the name of the query, such as ``all_souls_1``.
        photo: the gallery index of the photo that the query is, or is cut out of; None if it is not in the gallery.
        box: the part of that photo that shows the object; None if nobody has drawn a box.
        good: the gallery indices of photos that show the object clearly.
        ok: the gallery indices of photos that show it less well, such as more than a quarter of it.
        junk: the gallery indices of photos that show less; a ranking is judged as if they were not in the gallery.
    """

    name: str
    photo: int | None
    box: Box | None
    good: tuple[int, ...]
    ok: tuple[int, ...]
    junk: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.junk and (both := set(self.junk).intersection(self.positive)):
            raise DataError(f"{self.name}: gallery photo {min(both)} is judged both as relevant and as junk")

    @property
    def positive(self) -> tuple[int, ...]:
        """The relevant photos: good ones, then ok ones."""
        return tuple(dict.fromkeys(self.good + self.ok))


@dataclass(frozen=True, eq=False)
class RetrievalData:
    """A data set, divided by a protocol.

    Attributes:
        name: the name of the data set, or of the photo folder.
        protocol: the name of the protocol.
        classes: the names of the labels.
        query: the photos to search with.
        gallery: the photos to search in.
        train: the photos to learn from; empty if the data set has none.
        note: what a reader of figures must know, such as that the photos are a lossy copy; may be empty.
        truth: one judgement per query, for data sets that come with them.
    """

    name: str
    protocol: str
    classes: tuple[str, ...]
    query: Split
    gallery: Split
    train: Split
    note: str = ""
    truth: tuple[GroundTruth, ...] = ()

    def __post_init__(self) -> None:
        for word, split in (("query", self.query), ("gallery", self.gallery), ("train", self.train)):
            if not len(split) and word != "train":
                raise DataError(f"{self.name}: the {word} split is empty")
            if split.labels.ndim != self.query.labels.ndim:
                raise DataError(f"{self.name}: the {word} split has labels of another kind than the query split")
            count = split.labels.shape[1] if self.multi_label else len(split.labels.bincount())
            if (count != len(self.classes)) if self.multi_label else (count > len(self.classes)):
                raise DataError(f"{self.name}: the {word} split has {count} classes, but {len(self.classes)} names")
        if self.truth and len(self.truth) != len(self.query):
            raise DataError(f"{self.name}: {len(self.query)} queries have {len(self.truth)} judgements")

    @property
    def multi_label(self) -> bool:
        """Whether a photo may belong to several classes; two photos are then relevant if they share one."""
        return self.query.labels.ndim == 2


def random_source(seed: int) -> Any:  # noqa: ANN401 - numpy has no public name for what it returns
    """Make the source of random numbers that splits are drawn from.

    Raises:
        DataError: if the seed is not in 0 to 2³² − 1.
    """
    if not 0 <= seed < 2**32:
        raise DataError(f"a seed is a number from 0 to {2**32 - 1}, not {seed}")
    return np.random.RandomState(seed)  # the only stream that numpy promises never to change


def draw(rows: Rows, count: int, source: Any, what: str) -> Rows:  # noqa: ANN401
    """Draw ``count`` of the rows without replacement, and sort them.

    Args:
        rows: the rows to draw from.
        count: the number of rows to draw.
        source: from `random_source`.
        what: the purpose of the draw, which begins the message of an error.

    Raises:
        DataError: if there are fewer rows.
    """
    if len(rows) < count:
        raise DataError(f"{what}: {count} photos are needed, but there are {len(rows)}")
    return np.sort(source.permutation(rows)[:count])


def draw_per_class(labels: Tensor, rows: Rows, count: int, source: Any, *, classes: Sequence[str], what: str) -> Rows:  # noqa: ANN401
    """Draw ``count`` photos of each class, none of them twice, and sort them.

    With several labels per photo, the rarest class draws first, and each class draws from the photos that no other
    class has drawn, so that frequent classes do not use up the photos of rare ones.

    Args:
        labels: the labels of all photos, as in `Split`.
        rows: the photos to draw from.
        count: the number of photos per class.
        source: from `random_source`.
        classes: the names of the classes.
        what: the purpose of the draw, which begins the message of an error.

    Raises:
        DataError: if a class has too few photos; the message names it.
    """
    if labels.ndim == 1:
        member = labels.numpy()[rows][:, None] == np.arange(len(classes))
    else:
        member = labels.numpy()[rows].copy()
    drawn = []
    order = np.argsort(member.sum(axis=0), kind="stable") if labels.ndim == 2 else np.arange(len(classes))
    for index in order:
        places = draw(np.flatnonzero(member[:, index]), count, source, f"{what}, class {classes[index]}")
        member[places] = False
        drawn.append(rows[places])
    return np.sort(np.concatenate(drawn))


def others(length: int, *taken: Rows) -> Rows:
    """The rows of 0 to ``length`` − 1 that are in none of ``taken``, in order."""
    free = np.ones(length, dtype=bool)
    for rows in taken:
        free[rows] = False
    return np.flatnonzero(free)


def divide(whole: Split, query: Rows, gallery: Rows, train: Rows) -> tuple[Split, Split, Split]:
    """The query, gallery and train splits of one sequence of photos."""
    first, second, third = (whole.subset(torch.from_numpy(rows)) for rows in (query, gallery, train))
    return first, second, third


TEN_CLASSES = {
    "hashstash": "queries = 100 per class, drawn from the test set; gallery and training photos = the training set",
    "I": "queries = 100 per class, drawn from both sets; gallery = all others; training photos = 500 per class, "
    "drawn from the gallery",
    "II": "queries = the test set; gallery and training photos = the training set",
}
"""hashstash as in Xiao, Wang and Gao, CVPR 2020, section 5; I as in DPSH (IJCAI 2016), II as in DSH (CVPR 2016)."""


def ten_class_data(
    name: str, protocol: str, seed: int, whole: Split, classes: Sequence[str], note: str, official: tuple[int, int]
) -> RetrievalData:
    """Divide a small data set that has a training set and a test set of ten classes.

    Args:
        name: the name of the data set.
        protocol: a key of `TEN_CLASSES`.
        seed: the seed of the draws.
        whole: the photos, an `ArrayPhotos` of two parts: the training set, then the test set.
        classes: the names of the classes.
        note: what a reader of figures must know.
        official: the number of photos in the official training set and test set.

    Raises:
        DataError: if a part is empty, or a class has too few photos.
    """
    photos = whole.photos
    assert isinstance(photos, ArrayPhotos)  # noqa: S101 - for the type checker
    for part, length in photos.parts:
        if not length:
            raise DataError(f"{name}: the {part} set is empty")
    (_, training), (_, testing) = photos.parts
    train, test = np.arange(training), np.arange(training, training + testing)
    source = random_source(seed)
    query, gallery = test, train
    if protocol != "II":
        drawn_from = test if protocol == "hashstash" else np.arange(len(whole))
        query = draw_per_class(whole.labels, drawn_from, 100, source, classes=classes, what=f"{name}, queries")
    if protocol == "I":
        gallery = others(len(whole), query)
        train = draw_per_class(whole.labels, gallery, 500, source, classes=classes, what=f"{name}, training photos")
    missing = sum(official) - len(whole)
    notes = [note, f"incomplete copy: {len(whole):,} of {sum(official):,} photos" if missing else ""]
    return RetrievalData(
        name, protocol, tuple(classes), *divide(whole, query, gallery, train), note="; ".join(filter(None, notes))
    )
