"""Snapshots: the whole state of a training in one file, so that it can be killed and go on to the same weights."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recessive.datasets import Split
from recessive.files import write_whole
from recessive.hashing.average import WeightAverage
from recessive.hashing.errors import TrainingError
from recessive.hashing.settings import EpochReport

_FORMAT = 1


@dataclass
class TrainingState:
    """All that changes in a training, but for random numbers: those depend on (seed, epoch, batch) alone.

    Attributes:
        network: what is trained.
        loss: with its classifiers and memories.
        optimiser: of both.
        average: of the network's weights; None when it is off.
        epoch: the one going on, counted from 0; finished ones have a line in the log.
        batch: the next one of the epoch.
        loss_sum: over the epoch's batches so far.
        epoch_seconds: spent on the epoch's batches so far.
        seconds: spent in all.
        log: of finished epochs.
    """

    network: nn.Module
    loss: nn.Module
    optimiser: torch.optim.Optimizer
    average: WeightAverage | None
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    epoch_seconds: float = 0.0
    seconds: float = 0.0
    log: list[EpochReport] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "loss": self.loss.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "counts": (self.epoch, self.batch, self.loss_sum, self.epoch_seconds, self.seconds),
            "log": [asdict(line) for line in self.log],
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go back to what `state_dict` gave."""
        self.network.load_state_dict(saved["network"])
        self.loss.load_state_dict(saved["loss"])
        self.optimiser.load_state_dict(saved["optimiser"])
        if self.average:
            self.average.load_state_dict(saved["average"])
        self.epoch, self.batch, self.loss_sum, self.epoch_seconds, self.seconds = saved["counts"]
        self.log = [EpochReport(**line) for line in saved["log"]]

    def finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        values = [*self.network.state_dict().values(), *self.loss.state_dict().values()]
        return all(bool(value.isfinite().all()) for value in values)


def digest_of_split(split: Split) -> str:
    """What tells one split from another: its photos' names and labels, not their pixels."""
    total = hashlib.sha256(split.labels.numpy().tobytes())
    for index in range(len(split)):
        total.update(split.photos.key(index).encode(errors="surrogateescape") + b"\0")
    return total.hexdigest()[:16]


def digest_of_weights(tensors: Mapping[str, Tensor]) -> str:
    """What tells one set of weights from another: names, shapes and values."""
    total = hashlib.sha256()
    for name, value in tensors.items():
        total.update(f"{name} {tuple(value.shape)}\0".encode())
        total.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


def write_snapshot(path: Path, identity: dict[str, Any], state: TrainingState) -> None:
    """Replace the snapshot: whole or not at all, on the disk when this returns.

    Args:
        path: of the file.
        identity: what the training is of, by name; plain values.
        state: as it is now.

    Raises:
        TrainingError: a weight is not finite, or the file cannot be written; the snapshot of before is kept.
    """
    if not state.finite():
        raise TrainingError(
            f"the weights became infinite in epoch {state.epoch + 1}: try a lower --lr; {path} is kept as it was"
        )
    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, "identity": identity, "state": state.state_dict()}, buffer)
    try:
        write_whole(path, buffer.getvalue())
    except OSError as error:
        raise TrainingError(
            f"{path}: the snapshot cannot be written ({error.strerror or error}); make room and go on with --resume"
        ) from error


def read_snapshot(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """The state in a snapshot, for `TrainingState.load_state_dict`.

    Raises:
        TrainingError: it cannot be read, or is of another training; the message says in what they differ.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        found, state = saved["identity"], saved["state"]
        known = saved["format"] == _FORMAT
    except OSError as error:
        raise TrainingError(f"{path}: the snapshot cannot be read ({error.strerror or error})") from error
    except (RuntimeError, ValueError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} is damaged or no snapshot: remove it and train anew") from error
    if not known:
        raise TrainingError(f"{path} is a snapshot of another version: remove it and train anew")
    differences = [
        f"{name} (there {found.get(name)}, now {identity.get(name)})"
        for name in {**identity, **found}
        if found.get(name) != identity.get(name)
    ]
    if differences:
        raise TrainingError(
            f"{path} is a snapshot of another training; different are {', '.join(differences)}: "
            "ask for the same, choose another --out, or remove it"
        )
    plain: dict[str, Any] = state
    return plain
