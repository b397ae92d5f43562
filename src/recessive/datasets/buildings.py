"""Oxford5k and Paris6k: photos of buildings, 55 queries with boxes, and what each ought to find.

Philbin et al., "Object retrieval with large vocabularies and fast spatial matching", CVPR 2007; "Lost in
quantization", CVPR 2008. Photos in ``jpg`` (or, as the archive of Paris has them, in folders inside ``paris``), and
``<query>_{query,good,ok,junk}.txt`` in ``gt_files``. There are no training photos. Five queries show each of eleven
landmarks. The query's photo stays in the gallery and is one of those to be found.

The labels, one column a landmark, say where a photo is good or ok for one of its queries; `RetrievalData.truth` has the
whole judgement, junk included.
"""

from pathlib import Path

import torch

from recessive.datasets.boxes import read_box
from recessive.datasets.class_folders import base_folder, photo_names
from recessive.datasets.errors import DataError, MissingDataError
from recessive.datasets.photos import FilePhotos
from recessive.datasets.splits import GroundTruth, RetrievalData, Split

PROTOCOLS = {
    "box": "55 queries, cut out of their photos by the boxes; gallery = all photos, these included; none to train on",
    "whole": "the same with the queries' whole photos",
}

_QUERIES = 55
_TRUTH = ("gt_files", "gt_files_170407", "paris_120310", "lab")
PHOTO_FOLDERS = ("jpg", "oxbuild_images", "paris", "images")
"""What the folder of the photos may be called."""
_PREFIX = "oxc1_"  # of names in Oxford's queries, not of its files
# Published as corrupt by the authors; everybody leaves them out, which makes 6,392 of 6,412.
_CORRUPT = {
    *("paris_louvre_000136", "paris_louvre_000146", "paris_moulinrouge_000422", "paris_museedorsay_001059"),
    *("paris_notredame_000188", "paris_pantheon_000284", "paris_pantheon_000960", "paris_pantheon_000974"),
    *("paris_pompidou_000195", "paris_pompidou_000196", "paris_pompidou_000201", "paris_pompidou_000467"),
    *("paris_pompidou_000640", "paris_sacrecoeur_000299", "paris_sacrecoeur_000330", "paris_sacrecoeur_000353"),
    *("paris_triomphe_000662", "paris_triomphe_000833", "paris_triomphe_000863", "paris_triomphe_000867"),
}


def load_oxford5k(root: Path, protocol: str, seed: int) -> RetrievalData:  # noqa: ARG001 - nothing is drawn
    """Reads Oxford5k.

    Raises:
        MissingDataError: the photos or the judgements are not there.
        DataError: a file of the judgements is damaged, or names a photo that is not there.
    """
    return _load("oxford5k", 5_062, ("oxford5k", "oxford"), root, protocol)


def load_paris6k(root: Path, protocol: str, seed: int) -> RetrievalData:  # noqa: ARG001 - nothing is drawn
    """Reads Paris6k, without the 20 photos that are corrupt.

    Raises:
        MissingDataError: the photos or the judgements are not there.
        DataError: a file of the judgements is damaged, or names a photo that is not there.
    """
    return _load("paris6k", 6_392, ("paris6k",), root, protocol)


def _load(name: str, official: int, places: tuple[str, ...], root: Path, protocol: str) -> RetrievalData:
    base, photo_folder, truth_folder = _folders(root, places)
    names = building_photos(base / photo_folder)
    intact = [photo for photo in names if Path(photo).stem not in _CORRUPT]
    index = {Path(photo).stem: place for place, photo in enumerate(intact)}
    queries = sorted((base / truth_folder).glob("*_query.txt"))
    if not queries:
        raise MissingDataError(f"{base / truth_folder} has no *_query.txt")
    truth = tuple(_truth(path, index) for path in queries)

    landmarks = sorted({_landmark(query) for query in truth})
    shown = torch.zeros(len(intact), len(landmarks), dtype=torch.bool)
    asked = torch.zeros(len(truth), len(landmarks), dtype=torch.bool)
    for row, query in enumerate(truth):
        column = landmarks.index(_landmark(query))
        asked[row, column] = True
        shown[list(query.good + query.ok), column] = True

    gallery = FilePhotos(base / photo_folder, tuple(intact))
    boxes = tuple(query.box for query in truth) if protocol == "box" else None
    asking = tuple(intact[query.photo] for query in truth if query.photo is not None)  # all have one
    notes = []
    if len(intact) < len(names):
        notes.append(f"{len(names) - len(intact)} corrupt photos are left out")
    if (len(intact), len(truth)) != (official, _QUERIES):
        notes.append(f"{len(intact):,} photos and {len(truth)} queries instead of {official:,} and {_QUERIES}")
    return RetrievalData(
        name,
        protocol,
        tuple(landmarks),
        query=Split(FilePhotos(gallery.root, asking, boxes), asked),
        gallery=Split(gallery, shown),
        train=Split(FilePhotos(gallery.root, ()), shown[:0]),
        note="; ".join(notes),
        truth=truth,
    )


def building_photos(folder: Path) -> list[str]:
    """The photos in a folder and in those inside it, sorted, as names below it; judgements call them by their stems.

    Raises:
        DataError: the folder cannot be read.
    """
    return [name.removeprefix("./") for name in photo_names(folder, folder, nested=True)]


def _folders(root: Path, places: tuple[str, ...]) -> tuple[Path, str, str]:
    """The folder of the data set, and the names of its two folders."""
    for photo_folder in PHOTO_FOLDERS:
        for truth_folder in _TRUTH:
            try:
                return base_folder(root, places, (photo_folder, truth_folder)), photo_folder, truth_folder
            except MissingDataError:
                continue
    raise MissingDataError(f"{root} has no {PHOTO_FOLDERS[0]} and {_TRUTH[0]}")


def _landmark(query: GroundTruth) -> str:
    return query.name.rpartition("_")[0]


def _truth(path: Path, index: dict[str, int]) -> GroundTruth:
    name = path.name.removesuffix("_query.txt")
    photo, *numbers = _words(path) or [""]
    photo, box = photo.removeprefix(_PREFIX), read_box(numbers, str(path))
    good, ok, junk = (_places(path.with_name(f"{name}_{judgement}.txt"), index) for judgement in ("good", "ok", "junk"))
    if photo not in index:
        raise DataError(f"{path}: names {photo}, of which there is no photo")
    if not good and not ok:
        raise DataError(f"{path}: the query has nothing to find; its lists of good and ok photos are empty")
    return GroundTruth(name, index[photo], box, good, ok, junk)


def _places(path: Path, index: dict[str, int]) -> tuple[int, ...]:
    places = []
    for photo in _words(path):
        if photo in _CORRUPT:
            continue
        if photo not in index:
            raise DataError(f"{path}: names {photo}, of which there is no photo")
        places.append(index[photo])
    return tuple(dict.fromkeys(places))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except FileNotFoundError:
        raise MissingDataError(f"{path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read or is damaged") from error
