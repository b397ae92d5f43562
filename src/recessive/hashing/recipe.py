"""Recipes: how long, how fast and with which optimiser a hash network is trained with each loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from recessive.hashing.errors import TrainingError

Optimiser = Literal["sgd", "adam", "adamw"]
Schedule = Literal["one-cycle", "step"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Constants of a training.

    Attributes:
        optimiser: "sgd", "adam" or "adamw".
        lr: learning rate of the backbone; with one-cycle, the highest.
        momentum: of SGD.
        nesterov: whether that momentum is Nesterov's.
        weight_decay: L2 penalty; decoupled with AdamW.
        batch: photos a step.
        epochs: passes over the training photos.
        head_factor: learning rate of the hash layer and of the loss's own parameters, over that of the backbone.
        schedule: "one-cycle" rises to lr and falls to nearly 0; "step" multiplies at milestones.
        warm_up: share of the training in which one-cycle rises.
        milestones: shares of the training after which "step" multiplies the learning rate.
        step_factor: what it multiplies by.
        note: where the constants come from, and what was translated.

    Raises:
        TrainingError: a constant has no meaning.
    """

    optimiser: Optimiser
    lr: float
    batch: int
    epochs: int
    schedule: Schedule
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    head_factor: float = 1.0
    warm_up: float = 0.3
    milestones: tuple[float, ...] = ()
    step_factor: float = 0.1
    note: str = ""

    def __post_init__(self) -> None:
        if self.optimiser not in get_args(Optimiser):
            raise TrainingError(f"unknown optimiser {self.optimiser!r}: known are {', '.join(get_args(Optimiser))}")
        if self.schedule not in get_args(Schedule):
            raise TrainingError(f"unknown schedule {self.schedule!r}: known are {', '.join(get_args(Schedule))}")
        if self.batch < 1 or self.epochs < 1:
            raise TrainingError(f"batch and epochs count from 1: {self.batch} and {self.epochs}")
        for name in ("lr", "head_factor", "step_factor"):
            if not getattr(self, name) > 0:
                raise TrainingError(f"{name} must be above 0: {getattr(self, name)}")
        if self.nesterov and not self.momentum > 0:
            raise TrainingError("Nesterov's momentum needs a momentum above 0")
        if self.weight_decay < 0 or not 0 <= self.momentum < 1:
            raise TrainingError(f"weight decay {self.weight_decay} or momentum {self.momentum} is out of range")
        if not all(0 < share < 1 for share in (self.warm_up, *self.milestones)):
            raise TrainingError(f"warm-up {self.warm_up} and milestones {self.milestones} are shares of the training")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise TrainingError(f"milestones come one after the other: {self.milestones}")


PUBLISHED: dict[str, Recipe] = {
    "hashnet": Recipe(
        optimiser="sgd",
        lr=3e-4,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        batch=36,
        epochs=36,
        head_factor=10.0,
        schedule="step",
        milestones=(0.2, 0.4, 0.6, 0.8),
        step_factor=0.5,
        note="ImageNet-100, 10,000 training photos: 10,000 iterations of 36 photos are 36 epochs; the learning rate is "
        "halved every 2,000 iterations. Two independent batches of 36 there, one here. AlexNet has lr 2e-4.",
    ),
    "dpsh": Recipe(
        optimiser="sgd",
        lr=0.05,
        weight_decay=1e-5,
        batch=128,
        epochs=150,
        schedule="step",
        milestones=(1 / 3, 2 / 3),
        note="CIFAR-10, 5,000 training photos; DPSH-pytorch, pretrained AlexNet, no momentum.",
    ),
    "dsh": Recipe(
        optimiser="sgd",
        lr=1e-3,
        momentum=0.9,
        weight_decay=4e-3,
        batch=200,
        epochs=280,
        schedule="step",
        milestones=(6 / 7, 13 / 14),
        note="CIFAR-10, 50,000 training photos at 32 px: 70,000 iterations of 200 photos are 280 epochs, with steps at "
        "60,000 and 65,000. From scratch, three convolutions.",
    ),
    "dbh": Recipe(
        optimiser="sgd",
        lr=1e-3,
        momentum=0.9,
        weight_decay=5e-4,
        batch=32,
        epochs=32,
        head_factor=10.0,
        schedule="step",
        milestones=(0.5,),
        note="CIFAR-10, 50,000 training photos, pretrained AlexNet: 50,000 iterations with a step at 25,000. They "
        "are 32 epochs at 32 photos an iteration, which is an assumption. The classifier learns 10 times as fast; here "
        "the hash layer does too.",
    ),
    "greedy-hash": Recipe(
        optimiser="sgd",
        lr=1e-3,
        momentum=0.9,
        weight_decay=5e-4,
        batch=32,
        epochs=50,
        schedule="step",
        milestones=(0.6,),
        note="CIFAR-10, 5,000 training photos, pretrained AlexNet; a step every 30 epochs.",
    ),
    "csq": Recipe(
        optimiser="adam",
        lr=1e-5,
        batch=64,
        epochs=90,
        head_factor=100.0,
        schedule="step",
        milestones=tuple(epoch / 90 for epoch in range(10, 90, 10)),
        step_factor=0.7,
        note="ImageNet-100, 10,000 training photos, pretrained ResNet-50: 1e-3, the backbone a hundredth of it; times "
        "0.7 every 10 epochs.",
    ),
    "ortho-hash": Recipe(
        optimiser="adam",
        lr=1e-5,
        weight_decay=5e-4,
        batch=256,
        epochs=100,
        head_factor=10.0,
        schedule="step",
        milestones=(0.8,),
        note="ImageNet-100, 10,000 training photos, pretrained AlexNet: 1e-4, the backbone a tenth of it.",
    ),
}
"""What the papers or their released code use, mostly on pretrained backbones at 224 px; iterations are now epochs."""


def _from_scratch(lr: float) -> Recipe:
    return Recipe(
        optimiser="sgd",
        lr=lr,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        batch=128,
        epochs=30,
        schedule="one-cycle",
        note="Ours: small networks from scratch on photos of 28 to 64 px.",
    )


FROM_SCRATCH: dict[str, Recipe] = {
    "hashnet": _from_scratch(0.1),
    "dpsh": _from_scratch(0.05),
    "dsh": _from_scratch(0.02),
    "dbh": _from_scratch(0.1),
    "greedy-hash": _from_scratch(0.1),
    "csq": _from_scratch(0.1),
    "ortho-hash": _from_scratch(0.1),
}
"""Ours, for small networks without pretraining on small photos."""
