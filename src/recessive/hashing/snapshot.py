"""What a training keeps on disk: a snapshot of its whole state, and its log.

A training that is killed resumes from its snapshot and ends with the same weights.
"""

from __future__ import annotations

import copy
import csv
import hashlib
import io
import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recessive.datasets import Split
from recessive.files import write_whole
from recessive.hashing.settings import TrainingError

_FORMAT = 1


@dataclass(frozen=True)
class EpochReport:
    """One line of the log.

    Attributes:
        epoch: the number of the epoch, counted from 1.
        loss: the mean loss over the batches of the epoch.
        lr: the learning rate of the network in the last step.
        images_per_second: the throughput of training, without validation.
        seconds: the time since the training began, over all runs.
        validation_map: the mAP of the validation photos; None if there are none.
    """

    epoch: int
    loss: float
    lr: float
    images_per_second: float
    seconds: float
    validation_map: float | None


class WeightAverage:
    """An exponential moving average of the weights of a network, often better than its last weights.

    w̄ ← d w̄ + (1 − d) w after each step t = 0, 1, …, with d = min(decay, (1 + t) / (10 + t)). The smaller d of the first
    steps forgets the random initialisation, as TensorFlow's ExponentialMovingAverage does with `num_updates`. Running
    statistics of batch normalisation are averaged as well; counters are copied.

    Args:
        network: the network whose weights are averaged.
        decay: d in the long run, in (0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.decay = decay
        self.steps = 0
        self._pairs = list(zip(_tensors(self.module), _tensors(network), strict=True))

    @torch.no_grad()
    def update(self) -> None:
        """Add the current weights of the network to the average."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for mean, value in self._pairs:
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""
        return {"module": self.module.state_dict(), "steps": self.steps}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a state from `state_dict`."""
        self.module.load_state_dict(saved["module"])
        self.steps = saved["steps"]


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()


@dataclass
class TrainingState:
    """Everything that changes during a training, except random numbers: these depend on (seed, epoch, batch) alone.

    Attributes:
        network: the network.
        loss: the loss, with its classifiers and memories.
        optimiser: the optimiser of both.
        average: the moving average of the network's weights; None if it is off.
        epoch: the current epoch, counted from 0; each finished epoch has a line in the log.
        batch: the number of batches of the epoch that are done.
        loss_sum: the sum of the losses of these batches.
        epoch_seconds: the time spent on these batches.
        seconds: the time spent in all.
        log: the finished epochs.
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

    @property
    def kept(self) -> nn.Module:
        """The network with the weights that are validated, and kept at the end."""
        return self.average.module if self.average else self.network

    def state_dict(self) -> dict[str, Any]:
        """The state, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "loss": self.loss.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "counts": (self.epoch, self.batch, self.loss_sum, self.epoch_seconds, self.seconds),
            "log": [asdict(line) for line in self.log],
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore a state from `state_dict`."""
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


# Both digests are stored in snapshots: a snapshot resumes only while they keep their values.


def digest_of_split(split: Split) -> str:
    """SHA-256 of the names and labels of a split's photos, not of their pixels: its first 16 digits."""
    total = hashlib.sha256(split.labels.numpy().tobytes())
    for index in range(len(split)):
        total.update(split.photos.key(index).encode(errors="surrogateescape") + b"\0")
    return total.hexdigest()[:16]


def digest_of_weights(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, shapes and values of weights: its first 16 digits."""
    total = hashlib.sha256()
    for name, value in tensors.items():
        total.update(f"{name} {tuple(value.shape)}\0".encode())
        total.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


def write_snapshot(path: Path, identity: dict[str, Any], state: TrainingState) -> None:
    """Replace the snapshot atomically; it is on the disk when this returns.

    Args:
        path: the path of the file.
        identity: what identifies the training, by name; plain values.
        state: the current state.

    Raises:
        TrainingError: if a weight is not finite, or the file cannot be written; the previous snapshot is kept.
    """
    if not state.finite():
        raise TrainingError(
            f"the weights became infinite in epoch {state.epoch + 1}; try a lower --lr. {path} is kept as it was"
        )
    buffer = io.BytesIO()
    torch.save({"format": _FORMAT, "identity": identity, "state": state.state_dict()}, buffer)
    _write(path, buffer.getvalue(), "snapshot")


def read_snapshot(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    """Read the state in a snapshot, for `TrainingState.load_state_dict`.

    Raises:
        TrainingError: if the file cannot be read, or belongs to another training; the message lists the differences.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        found, state = saved["identity"], saved["state"]
        known = saved["format"] == _FORMAT
    except OSError as error:
        raise TrainingError(f"the snapshot cannot be read ({error.strerror or error})", path) from error
    except (RuntimeError, ValueError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise TrainingError("damaged, or not a snapshot; remove it and train again from the start", path) from error
    if not known:
        raise TrainingError("a snapshot of another version; remove it and train again from the start", path)
    differences = [
        f"{name} (there {found.get(name)}, now {identity.get(name)})"
        for name in {**identity, **found}
        if found.get(name) != identity.get(name)
    ]
    if differences:
        raise TrainingError(
            f"a snapshot of another training, which differs in {', '.join(differences)}; use the same options, choose "
            "another --out, or remove it",
            path,
        )
    plain: dict[str, Any] = state
    return plain


def write_log(path: Path, log: Sequence[EpochReport]) -> None:
    """Replace the log, a CSV file with one line per epoch; the log of a resumed training has no gaps.

    Raises:
        TrainingError: if the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in fields(EpochReport))
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in astuple(line)] for line in log)
    _write(path, text.getvalue().encode(), "log")


def _write(path: Path, content: bytes, what: str) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise TrainingError(
            f"the {what} cannot be written ({error.strerror or error}); free some space and continue with --resume",
            path,
        ) from error
