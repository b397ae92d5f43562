"""Targets for studies: for each photo a class that it is not of, and photos of that class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.class_labels import members, relevant

ANCHORS = 9  # photos of the target class whose codes vote; odd, so that no vote is a tie


@dataclass(frozen=True)
class DrawnTargets:
    """The targets of each photo.

    Attributes:
        classes: (N,) int64, the target class, the label to count as relevant for t-MAP.
        rows: (N, count) int64, photos of that class, as indices into the pool. Point-to-set methods (P2S) take all of
            them, point-to-point methods (P2P) the first.
    """

    classes: Tensor
    rows: Tensor


def draw_targets(labels: Tensor, pool_labels: Tensor, seeds: Sequence[int], count: int = ANCHORS) -> DrawnTargets:
    """Draw a target class for each photo, and photos of that class, from the photo's own seed alone.

    A class c is drawn, each with the same chance, from those with more than `count` photos that have nothing in common
    with the photo; then `count` of these photos, none twice,

        { i in the pool : c ∈ y_i, y_i ∩ y = ∅ }.

    Bai et al., "Targeted attack for deep hashing based retrieval", ECCV 2020, and Huang et al., Machines 2022,
    section 5.2: nine photos of one label, which is not that of the photo. Of photos with several labels, those that
    share one with the photo are left out too: a search for it should return none of them.

    Args:
        labels: the classes of the photos: (N,) int64, or (N, L) bool for any of several.
        pool_labels: the classes of the photos to draw from: (P,), or (P, L) bool.
        seeds: one seed per photo.
        count: the number of photos of the class.

    Raises:
        ValueError: if the labels are of two kinds, count < 1, there is not one seed per photo, or no class has enough
            photos for one of them.
    """
    if count < 1:
        raise ValueError(f"each photo needs at least one target, not {count}")
    if len(seeds) != len(labels):
        raise ValueError(f"each photo needs one seed: there are {len(seeds)} for {len(labels)} photos")
    labels, pool_labels = labels.cpu(), pool_labels.cpu()
    of_class = members(pool_labels)
    classes = torch.empty(len(labels), dtype=torch.int64, device="cpu")
    rows = torch.empty(len(labels), count, dtype=torch.int64, device="cpu")
    for row, seed in enumerate(seeds):
        foreign = of_class & ~relevant(labels[row : row + 1], pool_labels)
        enough = (foreign.sum(1) > count).nonzero().flatten()
        if not len(enough):
            raise ValueError(
                f"photo {row}: no class that it is not of has more than {count} photos to draw from; take a larger "
                "pool or fewer targets"
            )
        source = torch.Generator().manual_seed(seed)
        classes[row] = enough[torch.randint(len(enough), (), generator=source, device="cpu")]
        those = foreign[classes[row]].nonzero().flatten()
        rows[row] = those[torch.randperm(len(those), generator=source, device="cpu")[:count]]
    return DrawnTargets(classes, rows)
