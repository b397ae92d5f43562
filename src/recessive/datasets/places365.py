"""Places365-Standard, a tenth of its classes: ``places365_standard/{train,val}/<class>/*.jpg``.

Zhou et al., "Places: a 10 million image database for scene recognition", 2017. The archive with photos of 256 x 256
pixels in easy directories is meant.
"""

from pathlib import Path

from recessive.datasets.class_folders import base_folder, class_folder_data, photo_names
from recessive.datasets.splits import RetrievalData


def load_places365(root: Path, protocol: str, seed: int) -> RetrievalData:
    """Reads 36 classes of Places365.

    Raises:
        MissingDataError: ``train`` or ``val`` is not there.
        DataError: a class lacks photos.
    """
    base = base_folder(root, ("places365_standard",), ("train", "val"))
    return class_folder_data(
        "places365-36", protocol, seed, base, 36, lambda class_: photo_names(base / "val" / class_, base)
    )
