"""Class labels of photos: one per photo (N,), int64, or several of L per photo (N, L), bool."""

from __future__ import annotations

import torch
from torch import Tensor


def relevant(query_labels: Tensor, gallery_labels: Tensor) -> Tensor:
    """Returns r_ij = [y_i = y_j], or with several labels per photo [y_i · y_j > 0]: any label in common.

    Args:
        query_labels: labels of the queries, (Q,) or (Q, L), bool.
        gallery_labels: labels of the gallery, (N,) or (N, L), bool.

    Returns:
        (Q, N), bool.

    Raises:
        ValueError: if the two are not of the same kind, or differ in L.
    """
    single = query_labels.ndim == gallery_labels.ndim == 1
    several = query_labels.ndim == gallery_labels.ndim == 2 and query_labels.shape[1] == gallery_labels.shape[1]
    if not single and not (several and query_labels.dtype == gallery_labels.dtype == torch.bool):
        raise ValueError(
            "labels are (N,) or (N, L) bool, the same for queries and gallery, not "
            f"{tuple(query_labels.shape)} {query_labels.dtype} and {tuple(gallery_labels.shape)} {gallery_labels.dtype}"
        )
    if single:
        return query_labels[:, None] == gallery_labels
    return query_labels.float() @ gallery_labels.float().T > 0


def members(labels: Tensor) -> Tensor:
    """Returns which photos belong to each class: (C, N), bool; C is the largest label plus 1, or L.

    Args:
        labels: one label per photo (N,), from 0, or several (N, L), bool.
    """
    if labels.ndim == 2:
        return labels.T
    number = int(labels.max()) + 1 if len(labels) else 0
    return labels == torch.arange(number, device=labels.device)[:, None]
