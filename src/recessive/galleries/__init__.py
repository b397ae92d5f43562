"""Galleries: exact search among what encoders return, and the figures that judge its rankings.

A `Gallery` holds the items of N photos and returns the distances of a query to all of them, a chunk of queries at a
time; search, ranks and counts within a radius follow from these under one rule for ties. There are three kinds: codes
by Hamming distance and descriptors by a measure (`gallery`), and bags of visual words in an inverted file, which is
searched where it lies (`inverted_file`). All are exact: no approximate index hides a photo from the audit.

`ranking` computes mAP, precision and recall by class labels, `judged` mAP by the judgements of published benchmarks,
and `thresholds` the distance at which a searcher would cut its results. `kinds` says how the items of each kind are
stacked, stored and scored, and `index_file` keeps a gallery, the names of its photos and its settings in one file.
"""

from recessive.galleries.gallery import (
    DenseGallery,
    Gallery,
    HammingGallery,
    Hits,
    Measure,
    cosine_distances,
    euclidean_distances,
    rank,
    tanimoto_distances,
)
from recessive.galleries.inverted_file import InvertedFile, Scoring
from recessive.galleries.judged import JudgedReport, Judgement, judged_map, trapezoid_average_precision
from recessive.galleries.ranking import (
    PrecisionRecall,
    RetrievalReport,
    WithinReport,
    average_precision,
    mean_average_precision,
    precision_recall,
    precision_recall_by_rank,
    precision_within,
)

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
