"""What every hash loss is: the contract, and what a loss may know of the training split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recessive.hashing.errors import TrainingError


@dataclass(frozen=True, eq=False)
class LossContext:
    """What a loss is made from.

    Attributes:
        bits: length of the code.
        classes: how many classes or labels there are.
        photos: how many photos the training split holds.
        labels: of the training photos: (photos,) int64 in [0, classes), or (photos, classes) bool.
        seed: of what the loss draws: classifiers, centres.
        multi_label: whether a photo may bear several labels, or none.

    Raises:
        TrainingError: there is nothing to learn from, or the labels do not fit the rest.
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
                f"{self.photos} training photos, {self.classes} classes and {self.bits} bits: at least one of each is "
                "needed"
            )
        if self.multi_label:
            if self.labels.shape != (self.photos, self.classes) or self.labels.dtype != torch.bool:
                raise TrainingError(f"labels must be bool ({self.photos}, {self.classes}), {self._given()}")
        elif self.labels.shape != (self.photos,) or self.labels.dtype != torch.int64:
            raise TrainingError(f"labels must be int64 ({self.photos},), {self._given()}")
        elif not 0 <= int(self.labels.min()) <= int(self.labels.max()) < self.classes:
            raise TrainingError(
                f"labels must lie in 0 to {self.classes - 1}, these are {int(self.labels.min())} to "
                f"{int(self.labels.max())}"
            )

    def _given(self) -> str:
        return f"these are {str(self.labels.dtype).removeprefix('torch.')} {tuple(self.labels.shape)}"


class HashLoss(nn.Module, ABC):
    """A loss of the logits of a batch, one number; the code is always sign(logit).

    Its parameters (classifiers) are trained with the network. Its persistent buffers (memories, centres) belong to
    the state of the training: with them in place, the next value is the same. It is called once a training step,
    outside of autocast, with logits of full precision; backward comes before the next call. Logits come from
    `recessive.encoders.HashLayer`, so that each bit has mean 0 and variance 1 over a batch. All published losses
    were used on a linear layer without that normalisation: a departure that they share and that their docstrings do
    not repeat. No loss draws random numbers once it is made.
    """

    @abstractmethod
    def forward(self, logits: Tensor, labels: Tensor, rows: Tensor, progress: float) -> Tensor:
        """The loss of a batch.

        Args:
            logits: (N, bits), N ≥ 1.
            labels: of the batch: (N,) int64, or (N, L) bool.
            rows: which photos of the training split these are: (N,) int64, all different.
            progress: how much of the training is done, in [0, 1].

        Returns:
            A scalar, finite where the logits are.
        """
