"""Oxford5k and Paris6k, revisited: judged anew, 70 queries with boxes, whose own photos are not in the gallery.

Radenović et al., "Revisiting Oxford and Paris: large-scale image retrieval benchmarking", CVPR 2018. The photos are
those of Oxford5k and Paris6k; ``gnd_<name>.pkl`` has the gallery (``imlist``), the queries (``qimlist``) and for each
of these its box and the gallery indices of the photos that show its landmark clearly (``easy``), under severe changes
(``hard``), or hardly (``junk``). Photos that a protocol does not ask for, though they show the landmark, are junk.

There are no training photos. The labels, one column a query, say what it ought to find; `RetrievalData.truth` has the
junk besides.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recessive.datasets.boxes import read_box
from recessive.datasets.buildings import PHOTO_FOLDERS, building_photos
from recessive.datasets.errors import DataError, MissingDataError
from recessive.datasets.photos import FilePhotos
from recessive.datasets.splits import GroundTruth, RetrievalData, Split
from recessive.safe_pickle import read_pickle

PROTOCOLS = {
    "medium": "70 queries, cut out of their photos by the boxes; gallery = all photos but these; easy and hard photos "
    "are to be found; none to train on",
    "hard": "the same, but the hard ones alone are to be found, the easy ones are junk",
    "easy": "the same, but the easy ones alone are to be found, the hard ones are junk",
}

_QUERIES = 70


def load_roxford5k(root: Path, protocol: str, seed: int) -> RetrievalData:  # noqa: ARG001 - nothing is drawn
    """Reads ROxford5k.

    Raises:
        MissingDataError: the photos or the judgements are not there.
        DataError: the judgements are damaged, or name a photo that is not there.
    """
    return _load("roxford5k", 4_993, ("roxford5k", "oxford5k", "oxford", "."), root, protocol)


def load_rparis6k(root: Path, protocol: str, seed: int) -> RetrievalData:  # noqa: ARG001 - nothing is drawn
    """Reads RParis6k.

    Raises:
        MissingDataError: the photos or the judgements are not there.
        DataError: the judgements are damaged, or name a photo that is not there.
    """
    return _load("rparis6k", 6_322, ("rparis6k", "paris6k", "."), root, protocol)


def _load(name: str, official: int, places: tuple[str, ...], root: Path, protocol: str) -> RetrievalData:
    judgements = _first(root, places, (f"gnd_{name}.pkl",))
    folder = _first(root, places, PHOTO_FOLDERS)
    listed, asking, entries = _contents(judgements)
    files = {Path(photo).stem: photo for photo in building_photos(folder)}
    for photo in (*listed, *asking):
        if photo not in files:
            raise DataError(f"{judgements}: names {photo}, of which there is no photo in {folder}")
    pairs = zip(asking, entries, strict=True)
    truth = tuple(_truth(query, entry, protocol, len(listed), judgements) for query, entry in pairs)

    shown = torch.zeros(len(listed), len(truth), dtype=torch.bool)
    for column, query in enumerate(truth):
        shown[list(query.positive), column] = True
    notes = []
    if without := sum(not query.positive for query in truth):
        notes.append(f"{without} of {len(truth)} queries have nothing to find under {protocol}")
    if (len(listed), len(truth)) != (official, _QUERIES):
        notes.append(f"{len(listed):,} photos and {len(truth)} queries instead of {official:,} and {_QUERIES}")
    return RetrievalData(
        name,
        protocol,
        tuple(asking),
        query=Split(
            FilePhotos(folder, tuple(files[photo] for photo in asking), tuple(query.box for query in truth)),
            torch.eye(len(truth), dtype=torch.bool),
        ),
        gallery=Split(FilePhotos(folder, tuple(files[photo] for photo in listed)), shown),
        train=Split(FilePhotos(folder, ()), shown[:0]),
        note="; ".join(notes),
        truth=truth,
    )


def _first(root: Path, places: Sequence[str], entries: Sequence[str]) -> Path:
    """The first entry found in the first of the places below the root that has one."""
    for place in places:
        for entry in entries:
            if (root / place / entry).exists():
                return root / place / entry
    raise MissingDataError(f"{root} has no {entries[0]}")


def _contents(path: Path) -> tuple[list[str], list[str], list[Any]]:
    """Names of the gallery's photos and of the queries', and what is said of each query."""
    try:
        content = read_pickle(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise DataError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not content.keys() >= {"imlist", "qimlist", "gnd"}:
        raise DataError(f"{path}: is damaged; it ought to be a dictionary of imlist, qimlist and gnd")
    listed, asking = (_array(content[key], "U", "names of photos", f"{path}, {key}") for key in ("imlist", "qimlist"))
    for key, names in (("imlist", listed), ("qimlist", asking)):
        if not names or len(set(names)) != len(names):
            raise DataError(f"{path}, {key}: is damaged; it names {'a photo twice' if names else 'no photo'}")
    entries = content["gnd"]
    if not isinstance(entries, list) or len(entries) != len(asking):
        raise DataError(f"{path}: is damaged; gnd ought to be a list of {len(asking)} judgements, one a query")
    return listed, asking, entries


def _truth(query: str, entry: Any, protocol: str, photos: int, path: Path) -> GroundTruth:  # noqa: ANN401 - unchecked
    where = f"{path}, query {query}"
    if not isinstance(entry, dict) or not entry.keys() >= {"bbx", "easy", "hard", "junk"}:
        raise DataError(f"{where}: is damaged; a judgement ought to be a dictionary of bbx, easy, hard and junk")
    box = read_box(_array(entry["bbx"], "iuf", "numbers", f"{where}, bbx"), f"{where}, bbx")
    easy, hard, junk = (_indices(entry[key], photos, f"{where}, {key}") for key in ("easy", "hard", "junk"))
    if len({*easy, *hard, *junk}) < len(easy + hard + junk):
        raise DataError(f"{where}: is damaged; it judges a photo twice")
    if protocol == "easy":
        hard, junk = (), junk + hard
    elif protocol == "hard":
        easy, junk = (), junk + easy
    return GroundTruth(query, None, box, easy, hard, junk)


def _indices(values: Any, photos: int, where: str) -> tuple[int, ...]:  # noqa: ANN401 - unchecked
    what = f"gallery indices below {photos}"
    numbers = _array(values, "iuf", what, where)  # an empty array has whatever type it has
    if not all(0 <= number < photos and number == int(number) for number in numbers):
        raise DataError(f"{where}: is damaged; it ought to be {what}")
    return tuple(int(number) for number in numbers)


def _array(values: Any, kinds: str, what: str, where: str) -> list[Any]:  # noqa: ANN401 - unchecked
    """A list, or an array of any shape, as a list of what it ought to hold."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        array = np.asarray(None)
    if array.size and array.dtype.kind not in kinds:
        raise DataError(f"{where}: is damaged; it ought to be {what}")
    flat: list[Any] = array.ravel().tolist()
    return flat
