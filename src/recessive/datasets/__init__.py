"""Data sets: public ones by name, and any folder of photos, divided into queries, gallery and training photos.

An experiment in retrieval needs photos to search with (*queries*), photos to search in (the *gallery*), photos to learn
from, and a definition of which gallery photos are relevant to a query. A *protocol* of a data set fixes all four, as
some paper used it; what it draws at random depends on a seed alone. Relevant are photos of the same class (labels
``(N,)``), photos that share any label (``(N, L)``), or, for landmarks, photos that people judged relevant
(`GroundTruth`).

    photos         a sequence of photos (`Photos`), in memory or in files, decoded when needed, cut out by boxes
    splits         `RetrievalData`: the three splits with their labels; draws
    catalogue      all data sets by name (`DATASETS`), and `load_data`; read this first
    folders        a folder with one folder of photos per class is a data set as well
    cifar10, ...   one file per data set, or per family that shares a layout: protocols, and how its files are read
    downloads      download of the data sets that everybody may download
"""

from recessive.datasets.catalogue import DATASETS, Dataset, load_data
from recessive.datasets.downloads import Download, Progress
from recessive.datasets.folders import PROTOCOLS as FOLDER_PROTOCOLS
from recessive.datasets.photos import ArrayPhotos, Box, DataError, FilePhotos, Photos, cut_out
from recessive.datasets.splits import GroundTruth, RetrievalData, Split

__all__ = [
    "DATASETS",
    "FOLDER_PROTOCOLS",
    "ArrayPhotos",
    "Box",
    "DataError",
    "Dataset",
    "Download",
    "FilePhotos",
    "GroundTruth",
    "Photos",
    "Progress",
    "RetrievalData",
    "Split",
    "cut_out",
    "load_data",
]
