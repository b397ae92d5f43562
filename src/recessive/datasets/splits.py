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

from recessive.datasets.decoding import Box
from recessive.datasets.errors import DataError
from recessive.datasets.photos import Photos, choose

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Photos and what they show.

    Attributes:
        photos: N photos.
        labels: int64 ``(N,)``, one class each; or bool ``(N, L)``, any of L classes.
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
    """What a query ought to find, where people have judged it photo by photo.

    Attributes:
        name: the query's, such as ``all_souls_1``.
        photo: the gallery index of the photo that the query is, or is cut out of; None where it is in no gallery.
        box: the part of that photo that shows the object; None where nobody has drawn it.
        good: gallery indices of photos that show the object clearly.
        ok: gallery indices of photos that show it less well, such as more than a quarter of it.
        junk: gallery indices of photos that show less; a ranking is judged as if they were not in the gallery.
    """

    name: str
    photo: int | None
    box: Box | None
    good: tuple[int, ...]
    ok: tuple[int, ...]
    junk: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.junk and (both := set(self.junk).intersection(self.positive)):
            raise DataError(
                f"{self.name}: photo {min(both)} of the gallery is judged twice, as to be found and as junk"
            )

    @property
    def positive(self) -> tuple[int, ...]:
        """The photos to be found: good ones, then ok ones."""
        return tuple(dict.fromkeys(self.good + self.ok))


@dataclass(frozen=True, eq=False)
class RetrievalData:
    """A data set, divided as a protocol says.

    Attributes:
        name: of the data set, or of the photo folder.
        protocol: its name.
        classes: the labels' names.
        query: photos to search with.
        gallery: photos to search in.
        train: photos to learn from; empty where the data set has none.
        note: what a reader of figures must know, such as that the photos are a lossy copy; empty for nothing.
        truth: one judgement a query, where the data set comes with them.
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
        for word, split in (("query", self.query), ("gallery", self.gallery)):
            if not len(split):
                raise DataError(f"{self.name}: the {word} split is empty")
        for word, split in (("query", self.query), ("gallery", self.gallery), ("train", self.train)):
            if split.labels.ndim != self.query.labels.ndim:
                raise DataError(f"{self.name}: the {word} split has labels of another kind than the query split")
            count = split.labels.shape[1] if self.multi_label else len(split.labels.bincount())
            if (count != len(self.classes)) if self.multi_label else (count > len(self.classes)):
                raise DataError(f"{self.name}: the {word} split has {count} classes, {len(self.classes)} have names")
        if self.truth and len(self.truth) != len(self.query):
            raise DataError(f"{self.name}: {len(self.query)} queries have {len(self.truth)} judgements")

    @property
    def multi_label(self) -> bool:
        """Whether a photo may belong to several classes; two photos are then relevant if they share one."""
        return self.query.labels.ndim == 2


def random_source(seed: int) -> Any:  # noqa: ANN401 - numpy has no public name for what it returns
    """The source that splits are drawn from.

    Raises:
        DataError: the seed is not in 0 to 2³² − 1.
    """
    if not 0 <= seed < 2**32:
        raise DataError(f"a seed is a number from 0 to {2**32 - 1}, not {seed}")
    return np.random.RandomState(seed)  # the only stream that numpy promises never to change


def draw(rows: Rows, count: int, source: Any, what: str) -> Rows:  # noqa: ANN401
    """Draws ``count`` of the rows without replacement; they come sorted.

    Args:
        rows: to draw from.
        count: how many.
        source: from `random_source`.
        what: begins the error's message.

    Raises:
        DataError: there are not that many.
    """
    if len(rows) < count:
        raise DataError(f"{what}: {count} photos are needed, there are {len(rows)}")
    return np.sort(source.permutation(rows)[:count])


def draw_per_class(labels: Tensor, rows: Rows, count: int, source: Any, *, classes: Sequence[str], what: str) -> Rows:  # noqa: ANN401
    """Draws ``count`` photos of each class, no photo twice; they come sorted.

    With several labels a photo, the rarest class draws first, each from the photos that no class has drawn yet,
    so that the frequent classes do not use up the photos of the rare ones.

    Args:
        labels: of all photos, as in `Split`.
        rows: the photos to draw from.
        count: how many a class.
        source: from `random_source`.
        classes: the classes' names.
        what: begins the error's message.

    Raises:
        DataError: a class has too few photos; the message names it.
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
    """Query, gallery and train splits out of one sequence of photos."""
    first, second, third = (whole.subset(torch.from_numpy(rows)) for rows in (query, gallery, train))
    return first, second, third
