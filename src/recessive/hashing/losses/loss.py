"""The contract of a hash loss, and what a loss may know about the training split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recessive.hashing.settings import TrainingError


@dataclass(frozen=True, eq=False)
class LossContext:
    """What a loss is made from.

    Attributes:
        bits: the length of the code.
        classes: the number of classes or labels.
        photos: the number of photos in the training split.
        labels: the labels of the training photos: (photos,) int64 in [0, classes), or (photos, classes) bool.
        seed: the seed of what the loss draws, such as classifiers and centres.
        multi_label: whether a photo may have several labels, or none.

    Raises:
        TrainingError: if there is nothing to learn from, or the labels do not fit the other values.
    """

    bits: int
    classes: int
    photos: int
    labels: Tensor
    seed: int
    multi_label: bool

    def __post_init__(self) -> None:
        if self.bits < 1 or self.classes < 1 or self.photos < 1:
            raise TrainingError(
                f"at least one training photo, class and bit are needed, not {self.photos} photos, {self.classes} "
                f"classes and {self.bits} bits"
            )
        shape = (self.photos, self.classes) if self.multi_label else (self.photos,)
        dtype = torch.bool if self.multi_label else torch.int64
        if self.labels.shape != shape or self.labels.dtype != dtype:
            expected, found = (str(kind).removeprefix("torch.") for kind in (dtype, self.labels.dtype))
            raise TrainingError(f"labels must be {expected} {shape}, not {found} {tuple(self.labels.shape)}")
        if self.multi_label:
            return
        smallest, largest = int(self.labels.min()), int(self.labels.max())
        if not 0 <= smallest <= largest < self.classes:
            raise TrainingError(f"labels must lie in 0 to {self.classes - 1}, not in {smallest} to {largest}")


class HashLoss(nn.Module, ABC):
    """A loss of the logits of a batch, as one number; the code is always sign(logit).

    The parameters of a loss (classifiers) are trained with the network. Its persistent buffers (memories, centres)
    belong to the state of the training: with the same buffers, the next value is the same. A loss is called once per
    training step, outside of autocast, with logits in full precision; backward comes before the next call. A loss draws
    no random numbers after it is made.

    Logits come from `recessive.encoders.HashLayer`, so that each bit has mean 0 and variance 1 over a batch. All
    published losses were used on a linear layer without this normalisation: a departure that they share, and that their
    docstrings do not repeat.
    """

    @abstractmethod
    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:
        """Compute the loss of a batch.

        Args:
            logits: (N, bits), N ≥ 1.
            labels: the labels of the batch: (N,) int64, or (N, L) bool.
            rows: the indices of these photos in the training split: (N,) int64, all different.
            progress: the share of the training that is done, in [0, 1].

        Returns:
            A scalar; it is finite if the logits are.
        """
