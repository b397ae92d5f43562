"""How a network is trained, and what is told of it while it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recessive.encoders import Precision
from recessive.hashing.errors import TrainingError
from recessive.hashing.recipe import Recipe


@dataclass(frozen=True)
class TrainingSettings:
    """How a network is trained.

    Attributes:
        epochs: times that each photo is seen.
        batch: photos a step, of all processes together.
        size: pixels a side that photos are read at.
        recipe: optimiser, learning rates and their schedule.
        seed: of the order, the variations and whatever the network draws.
        precision: of the network's forward pass; the loss is computed in float32 always.
        average: decay of the running average of weights that is validated and kept; 0 keeps the last weights.
        clip: largest L2 norm of the gradient; None leaves it as it is.
        workers: processes that read photos ahead; 0 for photos in memory.
        snapshot: file that the state is kept in; None keeps none.
        minutes: between snapshots within an epoch; at the end of each there is always one.
    """

    epochs: int
    batch: int
    size: int
    recipe: Recipe
    seed: int = 0
    precision: Precision = "float32"
    average: float = 0.0
    clip: float | None = None
    workers: int = 0
    snapshot: Path | None = None
    minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise TrainingError(f"at least 1 epoch and 2 photos a batch are needed: {self.epochs}, {self.batch}")
        if not 0 <= self.average < 1:
            raise TrainingError(f"the decay of the average must lie in [0, 1): {self.average}")

    def identity(self) -> dict[str, Any]:
        """What decides the outcome, by name."""
        recipe = {name: value for name, value in asdict(self.recipe).items() if name not in ("note", "epochs", "batch")}
        names = ("epochs", "batch", "size", "seed", "precision", "average", "clip")
        return {name: getattr(self, name) for name in names} | recipe


@dataclass(frozen=True)
class BatchReport:
    """How a training goes, after a batch.

    Attributes:
        epoch: counted from 1.
        epochs: in all.
        batch: counted from 1.
        batches: an epoch.
        loss: mean over the epoch's batches so far.
        lr: learning rate of the network.
        images_per_second: since this run's first batch.
        seconds_left: at this speed.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    lr: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class EpochReport:
    """One line of the log.

    Attributes:
        epoch: counted from 1.
        loss: mean over the epoch's batches.
        lr: learning rate of the network's last step.
        images_per_second: while training, validation not counted.
        seconds: since the training began, all runs together.
        validation_map: mAP of held-out photos; None when there are none.
    """

    epoch: int
    loss: float
    lr: float
    images_per_second: float
    seconds: float
    validation_map: float | None


@dataclass(frozen=True)
class TrainingReport:
    """What came of a training; the network holds its final weights, in evaluation mode.

    Attributes:
        log: a line an epoch.
        seconds: of all runs together.
        images_per_second: mean over epochs.
    """

    log: tuple[EpochReport, ...]
    seconds: float
    images_per_second: float
