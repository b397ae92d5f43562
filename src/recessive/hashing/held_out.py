"""Photos that a training keeps apart, to see how it goes; never the query photos, which are for the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from recessive.datasets import RetrievalData, Split
from recessive.hashing.batches import mixed_seed
from recessive.hashing.errors import TrainingError

MOST = 1000  # photos held out, however large the share: mAP of a thousand queries is known well enough
SAMPLE = 5000  # training photos that they search
_HELD_OUT, _SAMPLED = 1, 2  # tell the two draws of one seed apart


@dataclass(frozen=True)
class TrainingData:
    """What a training sees.

    Attributes:
        train: photos to train on; a loss' rows count them.
        validation: photos held out of the training split; None when all train.
        sample: training photos that those search.
        mirror: whether a mirrored photo still shows the same thing; digits do not.
    """

    train: Split
    validation: Split | None = None
    sample: Split | None = None
    mirror: bool = True


def training_data(data: RetrievalData, share: float, seed: int, *, mirror: bool = True) -> TrainingData:
    """The training split without a seeded share of it, at most 1,000 photos, which is held out to validate.

    Args:
        data: whose training split; its query split is not touched.
        share: of the training photos that is held out; 0 for none.
        seed: of the choice.
        mirror: see `TrainingData`.

    Raises:
        TrainingError: the share is not in [0, 0.5], or the split has fewer than 2 photos.
    """
    if not 0 <= share <= 0.5:
        raise TrainingError(f"the share held out must lie between 0 and 0.5: {share}")
    photos = len(data.train)
    if photos < 2:
        raise TrainingError(f"{data.name}: {photos} photos to train on; at least 2 are needed")
    count = min(round(share * photos), MOST)
    if count == 0:
        return TrainingData(data.train, mirror=mirror)
    order = torch.randperm(photos, generator=torch.Generator().manual_seed(mixed_seed(seed, _HELD_OUT)))
    kept = order[count:].sort().values
    drawn = torch.randperm(len(kept), generator=torch.Generator().manual_seed(mixed_seed(seed, _SAMPLED)))
    train = data.train.subset(kept)
    return TrainingData(
        train,
        data.train.subset(order[:count].sort().values),
        train.subset(drawn[:SAMPLE].sort().values),
        mirror=mirror,
    )
