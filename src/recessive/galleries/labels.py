"""Labels of queries and of a gallery, checked."""

from __future__ import annotations

from torch import Tensor

from recessive.class_labels import relevant
from recessive.galleries.gallery import Gallery, Items


def check_labels(gallery: Gallery[Items], queries: Items, query_labels: Tensor, gallery_labels: Tensor) -> None:
    """Refuse labels that are not one row a query and one a gallery photo.

    Raises:
        ValueError: they are not.
    """
    if len(query_labels) != len(queries) or len(gallery_labels) != len(gallery):
        raise ValueError(
            f"one label a query and one a gallery photo are needed: {len(query_labels)} for {len(queries)} queries, "
            f"{len(gallery_labels)} for {len(gallery)} photos"
        )
    relevant(query_labels[:0], gallery_labels[:0])
