"""How a hash network is trained: the recipe of each loss, and the settings of one training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from recessive.encoders import Precision
from recessive.errors import RecessiveError

Optimiser = Literal["sgd", "adam", "adamw"]
Schedule = Literal["one-cycle", "step"]


class TrainingError(RecessiveError, ValueError):
    """A hash network cannot be trained as requested; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyperparameters of a training: optimiser, learning rates, schedule and duration.

    Attributes:
        optimiser: "sgd", "adam" or "adamw".
        lr: the learning rate of the backbone; with the one-cycle schedule, its maximum.
        momentum: the momentum of SGD.
        nesterov: whether SGD uses Nesterov momentum.
        weight_decay: the L2 penalty; decoupled with AdamW.
        batch: the number of photos per step, over all processes.
        epochs: the number of passes over the training photos.
        head_factor: the learning rate of the hash layer and of the loss' own parameters, relative to the backbone's.
        schedule: "one-cycle" rises to `lr` and falls to nearly 0; "step" multiplies the rate at milestones.
        warm_up: the share of the training in which one-cycle rises.
        milestones: the shares of the training after which "step" multiplies the learning rate.
        step_factor: the factor that "step" multiplies by.
        note: where the values come from, and how they were converted.

    Raises:
        TrainingError: if a value is out of range.
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
        for name, known in (("optimiser", get_args(Optimiser)), ("schedule", get_args(Schedule))):
            if getattr(self, name) not in known:
                raise TrainingError(f"unknown {name} {getattr(self, name)!r}; choose one of {', '.join(known)}")
        if self.epochs < 1 or self.batch < 2:
            raise TrainingError(
                f"at least 1 epoch and 2 photos per batch are needed, not {self.epochs} and {self.batch}"
            )
        for name in ("lr", "head_factor", "step_factor"):
            if not getattr(self, name) > 0:
                raise TrainingError(f"{name} must be positive, not {getattr(self, name)}")
        if self.nesterov and not self.momentum > 0:
            raise TrainingError("Nesterov momentum needs a positive momentum")
        if self.weight_decay < 0 or not 0 <= self.momentum < 1:
            raise TrainingError(f"weight decay {self.weight_decay} or momentum {self.momentum} is out of range")
        if not all(0 < share < 1 for share in (self.warm_up, *self.milestones)):
            raise TrainingError(f"warm-up {self.warm_up} and milestones {self.milestones} must lie between 0 and 1")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise TrainingError(f"milestones must increase: {self.milestones}")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How one network is trained.

    Attributes:
        recipe: the hyperparameters.
        size: the height and width in pixels that photos are resized to.
        seed: the seed of the batches' order, of augmentation and of the network's own random numbers.
        precision: the precision of the network's forward pass; the loss is always computed in float32.
        average: the decay of the exponential moving average of the weights, which is then validated and kept;
            0 keeps the last weights.
        clip: the largest L2 norm of the gradient; None for no limit.
        workers: the number of processes that read photos ahead; 0 for photos in memory.
        snapshot: the file that keeps the state of the training; None for no file.
        minutes: the time between snapshots within an epoch; there is always one at the end of an epoch.
    """

    recipe: Recipe
    size: int
    seed: int = 0
    precision: Precision = "float32"
    average: float = 0.0
    clip: float | None = None
    workers: int = 0
    snapshot: Path | None = None
    minutes: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.average < 1:
            raise TrainingError(f"the decay of the weight average must lie in [0, 1), not be {self.average}")

    def identity(self) -> dict[str, Any]:
        """Everything in the settings that decides the outcome, by name."""
        recipe = {name: value for name, value in asdict(self.recipe).items() if name != "note"}
        return recipe | {name: getattr(self, name) for name in ("size", "seed", "precision", "average", "clip")}


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
"""From the papers or their released code, mostly for pretrained backbones at 224 px; iterations became epochs."""

FROM_SCRATCH: dict[str, Recipe] = {
    name: Recipe(
        optimiser="sgd",
        lr={"dpsh": 0.05, "dsh": 0.02}.get(name, 0.1),
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        batch=128,
        epochs=30,
        schedule="one-cycle",
        note="Ours: small networks from scratch on photos of 28 to 64 px.",
    )
    for name in PUBLISHED
}
"""Our own values, for small networks trained from scratch on small photos."""
