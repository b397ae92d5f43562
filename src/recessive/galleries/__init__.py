"""Galleries: exact search among codes and descriptors, and the ranking figures beside them."""

from recessive.galleries.curves import (
    PrecisionRecall,
    WithinReport,
    precision_recall,
    precision_recall_by_rank,
    precision_within,
)
from recessive.galleries.dense import DenseGallery
from recessive.galleries.gallery import Gallery, Hits
from recessive.galleries.hamming import HammingGallery
from recessive.galleries.inverted_file import InvertedFile, Scoring
from recessive.galleries.judged import JudgedReport, Judgement, judged_map, trapezoid_average_precision
from recessive.galleries.measures import Measure, cosine_distances, euclidean_distances, tanimoto_distances
from recessive.galleries.nearest import rank
from recessive.galleries.ranking import RetrievalReport, average_precision, mean_average_precision

__all__ = [
    "DenseGallery",
    "Gallery",
    "HammingGallery",
    "Hits",
    "InvertedFile",
    "JudgedReport",
    "Judgement",
    "Measure",
    "PrecisionRecall",
    "RetrievalReport",
    "Scoring",
    "WithinReport",
    "average_precision",
    "cosine_distances",
    "euclidean_distances",
    "judged_map",
    "mean_average_precision",
    "precision_recall",
    "precision_recall_by_rank",
    "precision_within",
    "rank",
    "tanimoto_distances",
    "trapezoid_average_precision",
]
