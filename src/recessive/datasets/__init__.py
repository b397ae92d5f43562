"""Data sets: public ones by name, and any folder of photos, divided into queries, gallery and training photos."""

from recessive.datasets.catalogue import DATASETS, Dataset, load_data
from recessive.datasets.downloads import Download, Progress
from recessive.datasets.errors import DataError
from recessive.datasets.folder import PROTOCOLS as FOLDER_PROTOCOLS
from recessive.datasets.photos import ArrayPhotos, FilePhotos, Photos
from recessive.datasets.splits import GroundTruth, RetrievalData, Split

__all__ = [
    "DATASETS",
    "FOLDER_PROTOCOLS",
    "ArrayPhotos",
    "DataError",
    "Dataset",
    "Download",
    "FilePhotos",
    "GroundTruth",
    "Photos",
    "Progress",
    "RetrievalData",
    "Split",
    "load_data",
]
