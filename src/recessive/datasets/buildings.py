"""Oxford5k and Paris6k, as published and revisited: photos of buildings, queries with boxes, judged photo by photo.

Oxford5k and Paris6k (Philbin et al., "Object retrieval with large vocabularies and fast spatial matching", CVPR 2007;
"Lost in quantization", CVPR 2008) have 55 queries, five for each of eleven landmarks. Photos are in ``jpg`` (or, as in
the archive of Paris, in folders inside ``paris``), and ``<query>_{query,good,ok,junk}.txt`` in ``gt_files``. The photo
of a query stays in the gallery and is one of those to find. The labels, one column per landmark, say where a photo is
good or ok for one of its queries.

ROxford5k and RParis6k (Radenović et al., "Revisiting Oxford and Paris: large-scale image retrieval benchmarking", CVPR
2018) have the same photos, judged anew, and 70 queries whose photos are not in the gallery. ``gnd_<name>.pkl`` has the
gallery (``imlist``), the queries (``qimlist``), and for each query its box and the gallery indices of the photos that
show its landmark clearly (``easy``), under severe changes (``hard``), or hardly (``junk``). Photos that a protocol does
not ask for, although they show the landmark, count as junk. The labels, one column per query, say what it should find.

There are no training photos. `RetrievalData.truth` has the whole judgement, junk included.
"""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recessive.datasets.folders import base_folder, photo_names
from recessive.datasets.photos import DataError, FilePhotos, MissingDataError, file_content, read_box
from recessive.datasets.splits import GroundTruth, RetrievalData, Split
from recessive.safe_pickle import read_pickle

PROTOCOLS = {
    "box": "55 queries, cut out of their photos by boxes; gallery = all photos, with those of the queries; no "
    "training photos",
    "whole": "the same with the whole photos of the queries",
}
REVISITED_PROTOCOLS = {
    "medium": "70 queries, cut out of their photos by boxes; gallery = all photos without those of the queries; easy "
    "and hard photos are relevant; no training photos",
    "hard": "the same, but only hard photos are relevant, and easy ones are junk",
    "easy": "the same, but only easy photos are relevant, and hard ones are junk",
}

_TRUTH = ("gt_files", "gt_files_170407", "paris_120310", "lab")
_PHOTOS = ("jpg", "oxbuild_images", "paris", "images")
_PREFIX = "oxc1_"  # of names in Oxford's queries, not of its files
# Published as corrupt by the authors; everybody leaves them out, which makes 6,392 of 6,412.
_CORRUPT = {
    *("paris_louvre_000136", "paris_louvre_000146", "paris_moulinrouge_000422", "paris_museedorsay_001059"),
    *("paris_notredame_000188", "paris_pantheon_000284", "paris_pantheon_000960", "paris_pantheon_000974"),
    *("paris_pompidou_000195", "paris_pompidou_000196", "paris_pompidou_000201", "paris_pompidou_000467"),
    *("paris_pompidou_000640", "paris_sacrecoeur_000299", "paris_sacrecoeur_000330", "paris_sacrecoeur_000353"),
    *("paris_triomphe_000662", "paris_triomphe_000833", "paris_triomphe_000863", "paris_triomphe_000867"),
}

_Load = Callable[[Path, str, int], RetrievalData]


def buildings(name: str, official: int, places: Sequence[str]) -> _Load:
    """Make the loader of Oxford5k or Paris6k.

    Args:
        name: the name of the data set.
        official: the number of photos in the official data set.
        places: the folders below the root that may hold it.

    Returns:
        ``(root, protocol, seed)`` to the data. It raises `MissingDataError` if photos or judgements are missing, and
        `DataError` if a file of the judgements is damaged or lists a photo that does not exist.
    """

    def load(root: Path, protocol: str, seed: int) -> RetrievalData:  # noqa: ARG001 - nothing is drawn
        base, photo_folder, truth_folder = _folders(root, places)
        names = _building_photos(base / photo_folder)
        intact = [photo for photo in names if Path(photo).stem not in _CORRUPT]
        index = {Path(photo).stem: place for place, photo in enumerate(intact)}
        queries = sorted((base / truth_folder).glob("*_query.txt"))
        if not queries:
            raise MissingDataError(f"{base / truth_folder} has no *_query.txt")
        truth = tuple(_truth_in_files(path, index) for path in queries)

        shown_by = [query.name.rpartition("_")[0] for query in truth]
        landmarks = sorted(set(shown_by))
        query_labels = torch.tensor([[landmark == other for other in landmarks] for landmark in shown_by])
        relevant = torch.zeros(len(intact), len(landmarks), dtype=torch.bool)
        for landmark, query in zip(shown_by, truth, strict=True):
            relevant[list(query.positive), landmarks.index(landmark)] = True
        asking = [intact[query.photo] for query in truth if query.photo is not None]  # all have one
        corrupt = len(names) - len(intact)
        return _judged(
            name,
            protocol,
            landmarks,
            FilePhotos(base / photo_folder, tuple(intact)),
            Split(_queries(base / photo_folder, asking, truth if protocol == "box" else None), query_labels),
            relevant,
            truth,
            [f"{corrupt} corrupt photos are left out"] if corrupt else [],
            (official, 55),
        )

    return load


def revisited(name: str, official: int, places: Sequence[str]) -> _Load:
    """Make the loader of ROxford5k or RParis6k; see `buildings`."""

    def load(root: Path, protocol: str, seed: int) -> RetrievalData:  # noqa: ARG001 - nothing is drawn
        judgements = _first(root, places, (f"gnd_{name}.pkl",))
        folder = _first(root, places, _PHOTOS)
        listed, asking, entries = _judgements(judgements)
        files = {Path(photo).stem: photo for photo in _building_photos(folder)}
        for photo in (*listed, *asking):
            if photo not in files:
                raise DataError(f"lists {photo}, but there is no such photo in {folder}", judgements)
        pairs = zip(asking, entries, strict=True)
        truth = tuple(_truth_in_entry(query, entry, protocol, len(listed), judgements) for query, entry in pairs)

        relevant = torch.zeros(len(listed), len(truth), dtype=torch.bool)
        for column, query in enumerate(truth):
            relevant[list(query.positive), column] = True
        without = sum(not query.positive for query in truth)
        return _judged(
            name,
            protocol,
            asking,
            FilePhotos(folder, tuple(files[photo] for photo in listed)),
            Split(_queries(folder, [files[photo] for photo in asking], truth), torch.eye(len(truth), dtype=torch.bool)),
            relevant,
            truth,
            [f"{without} of {len(truth)} queries have nothing to find under {protocol}"] if without else [],
            (official, 70),
        )

    return load


def _judged(
    name: str,
    protocol: str,
    classes: Sequence[str],
    gallery: FilePhotos,
    query: Split,
    relevant: torch.Tensor,
    truth: tuple[GroundTruth, ...],
    notes: list[str],
    official: tuple[int, int],
) -> RetrievalData:
    """The data set; official: the number of photos and of queries that it should have."""
    if (len(gallery), len(truth)) != official:
        notes.append(f"{len(gallery):,} photos and {len(truth)} queries instead of {official[0]:,} and {official[1]}")
    return RetrievalData(
        name,
        protocol,
        tuple(classes),
        query=query,
        gallery=Split(gallery, relevant),
        train=Split(FilePhotos(gallery.root, ()), relevant[:0]),
        note="; ".join(notes),
        truth=truth,
    )


def _queries(folder: Path, names: Sequence[str], boxed: tuple[GroundTruth, ...] | None) -> FilePhotos:
    return FilePhotos(folder, tuple(names), None if boxed is None else tuple(query.box for query in boxed))


def _building_photos(folder: Path) -> list[str]:
    """The photos in a folder and in those inside it, sorted, relative to it; judgements call them by their stems."""
    return [name.removeprefix("./") for name in photo_names(folder, folder, nested=True)]


def _folders(root: Path, places: Sequence[str]) -> tuple[Path, str, str]:
    """The folder of the data set, and the names of its two folders."""
    for photo_folder in _PHOTOS:
        for truth_folder in _TRUTH:
            try:
                return base_folder(root, places, (photo_folder, truth_folder)), photo_folder, truth_folder
            except MissingDataError:
                continue
    raise MissingDataError(f"{root} has no {_PHOTOS[0]} and {_TRUTH[0]}")


def _first(root: Path, places: Sequence[str], entries: Sequence[str]) -> Path:
    """The first existing entry, in the first of the places below the root that has one."""
    for place in places:
        for entry in entries:
            if (root / place / entry).exists():
                return root / place / entry
    raise MissingDataError(f"{root} has no {entries[0]}")


def _truth_in_files(path: Path, index: dict[str, int]) -> GroundTruth:
    """The judgement of a query, from its four text files."""
    name = path.name.removesuffix("_query.txt")
    photo, *numbers = _words(path) or [""]
    photo, box = photo.removeprefix(_PREFIX), read_box(numbers, str(path))
    good, ok, junk = (_places(path.with_name(f"{name}_{judgement}.txt"), index) for judgement in ("good", "ok", "junk"))
    if photo not in index:
        raise DataError(f"names {photo}, but there is no such photo", path)
    if not good and not ok:
        raise DataError("the query has nothing to find; its lists of good and ok photos are empty", path)
    return GroundTruth(name, index[photo], box, good, ok, junk)


def _places(path: Path, index: dict[str, int]) -> tuple[int, ...]:
    listed = [photo for photo in dict.fromkeys(_words(path)) if photo not in _CORRUPT]
    for photo in listed:
        if photo not in index:
            raise DataError(f"lists {photo}, but there is no such photo", path)
    return tuple(index[photo] for photo in listed)


def _words(path: Path) -> list[str]:
    try:
        return file_content(path).decode("ascii").split()
    except UnicodeDecodeError as error:
        raise DataError("damaged; expected plain text", path) from error


def _judgements(path: Path) -> tuple[list[str], list[str], list[Any]]:
    """The names of the gallery's photos and of the queries', and the entry of each query."""
    try:
        content = read_pickle(file_content(path))
    except pickle.UnpicklingError as error:
        raise DataError(str(error), path) from error
    if not isinstance(content, dict) or not content.keys() >= {"imlist", "qimlist", "gnd"}:
        raise DataError("damaged; expected a dictionary of imlist, qimlist and gnd", path)
    listed, asking = (_array(content[key], "U", "names of photos", f"{path}, {key}") for key in ("imlist", "qimlist"))
    for key, names in (("imlist", listed), ("qimlist", asking)):
        if not names or len(set(names)) != len(names):
            raise DataError(f"{path}, {key}: damaged; it {'lists a photo twice' if names else 'is empty'}")
    entries = content["gnd"]
    if not isinstance(entries, list) or len(entries) != len(asking):
        raise DataError(f"damaged; expected gnd to be a list of {len(asking)} judgements, one per query", path)
    return listed, asking, entries


def _truth_in_entry(query: str, entry: Any, protocol: str, photos: int, path: Path) -> GroundTruth:  # noqa: ANN401 - unchecked
    """The judgement of a query, from its entry in the pickle."""
    where = f"{path}, query {query}"
    if not isinstance(entry, dict) or not entry.keys() >= {"bbx", "easy", "hard", "junk"}:
        raise DataError(f"{where}: damaged; expected a dictionary of bbx, easy, hard and junk")
    box = read_box(_array(entry["bbx"], "iuf", "numbers", f"{where}, bbx"), f"{where}, bbx")
    easy, hard, junk = (_indices(entry[key], photos, f"{where}, {key}") for key in ("easy", "hard", "junk"))
    if len({*easy, *hard, *junk}) < len(easy + hard + junk):
        raise DataError(f"{where}: damaged; it judges a photo twice")
    if protocol == "easy":
        hard, junk = (), junk + hard
    elif protocol == "hard":
        easy, junk = (), junk + easy
    return GroundTruth(query, None, box, easy, hard, junk)


def _indices(values: Any, photos: int, where: str) -> tuple[int, ...]:  # noqa: ANN401 - unchecked
    what = f"gallery indices below {photos}"
    numbers = _array(values, "iuf", what, where)  # an empty array has whatever type it has
    if not all(0 <= number < photos and number == int(number) for number in numbers):
        raise DataError(f"{where}: damaged; expected {what}")
    return tuple(int(number) for number in numbers)


def _array(values: Any, kinds: str, what: str, where: str) -> list[Any]:  # noqa: ANN401 - unchecked
    """The items of a list, or of an array of any shape, if they have one of the kinds of NumPy's types."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        array = np.asarray(None)
    if array.size and array.dtype.kind not in kinds:
        raise DataError(f"{where}: damaged; expected {what}")
    flat: list[Any] = array.ravel().tolist()
    return flat
