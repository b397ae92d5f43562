"""ImageNet (ILSVRC 2012), a tenth of its classes: ``train/<wnid>/*.JPEG`` and ``val/<wnid>/*.JPEG``.

Validation photos that lie in one folder, as their archive has them, are sorted by ``LOC_val_solution.csv``.
"""

import csv
from pathlib import Path

from recessive.datasets.class_folders import base_folder, class_folder_data, photo_names, subfolders
from recessive.datasets.errors import DataError, MissingDataError
from recessive.datasets.splits import RetrievalData

_SOLUTION = "LOC_val_solution.csv"
_PLACES = ("imagenet", "ILSVRC2012", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC")


def load_imagenet(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Reads 100 classes of ImageNet.

    Raises:
        MissingDataError: ``train`` or ``val`` is not there, or nothing tells the classes of the validation photos.
        DataError: a class lacks photos, or the list of classes is damaged.
    """
    base = base_folder(root, _PLACES, ("train", "val"))
    if subfolders(base / "val"):
        return class_folder_data(
            "imagenet-100", protocol, seed, base, 100, lambda wnid: photo_names(base / "val" / wnid, base)
        )
    solution = next((f / _SOLUTION for f in (base, root, base.parent.parent) if (f / _SOLUTION).is_file()), None)
    if solution is None:
        raise MissingDataError(f"{base} has neither val/<wnid> folders nor {_SOLUTION} to sort the photos in val by")
    wnids = _wnids(solution)
    by_class: dict[str, list[str]] = {}
    for name in photo_names(base / "val", base):
        wnid = wnids.get(Path(name).stem)
        if wnid is None:
            raise DataError(f"{solution}: does not list {name}")
        by_class.setdefault(wnid, []).append(name)
    return class_folder_data("imagenet-100", protocol, seed, base, 100, lambda wnid: by_class.get(wnid, []))


def _wnids(solution: Path) -> dict[str, str]:
    """Photo to wnid, from lines such as ``ILSVRC2012_val_00048981,n03995372 85 1 499 272``."""
    try:
        with solution.open(newline="", encoding="utf-8") as file:
            return {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, AttributeError, IndexError) as error:
        raise DataError(f"{solution}: is damaged or not a list of ImageId,PredictionString") from error
