"""The training loop, the same for every loss and every backbone.

Read `train` first, then `_Run.epoch` and `_Run.step`. Batches and augmentation are in `batches`, the state and its
snapshots in `snapshot`, several processes in `distributed`.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from recessive.encoders import Encoder
from recessive.hashing.batches import TrainingData, augment, batch_order, draw_views, mixed_seed, read_batches
from recessive.hashing.distributed import ALONE, Group
from recessive.hashing.evaluate import code_map, codes_of
from recessive.hashing.settings import Recipe, TrainingError, TrainingSettings
from recessive.hashing.snapshot import (
    EpochReport,
    TrainingState,
    WeightAverage,
    digest_of_split,
    digest_of_weights,
    read_snapshot,
    write_snapshot,
)

VIEWS, NETWORK = 1, 2  # the two random streams of each (seed, epoch, batch): augmentation, and what the network draws
CYCLE_START, CYCLE_END = 1 / 25, 1e-4  # of the one-cycle schedule, relative to its maximum


@dataclass(frozen=True)
class BatchReport:
    """The progress of a training after a batch.

    Attributes:
        epoch: the number of the epoch, counted from 1.
        epochs: the number of epochs in all.
        batch: the number of the batch in its epoch, counted from 1.
        batches: the number of batches per epoch.
        loss: the mean loss over the batches of the epoch so far.
        lr: the learning rate of the network.
        images_per_second: the throughput of the epoch in this run so far.
        seconds_left: the remaining time at this throughput.
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
class TrainingReport:
    """The outcome of a training; the network holds the final weights, in evaluation mode.

    Attributes:
        log: one line per epoch.
        seconds: the time spent, over all runs.
        images_per_second: the mean throughput over epochs.
    """

    log: tuple[EpochReport, ...]
    seconds: float
    images_per_second: float


def train(
    network: nn.Module,
    loss: nn.Module,
    data: TrainingData,
    settings: TrainingSettings,
    *,
    device: torch.device | str = "cpu",
    group: Group = ALONE,
    about: Mapping[str, Any] | None = None,
    resume: bool = False,
    on_batch: Callable[[BatchReport], None] | None = None,
    on_epoch: Callable[[tuple[EpochReport, ...]], None] | None = None,
) -> TrainingReport:
    """Fit a network, and the parameters of the loss, to the labels of photos.

    One step, on rows r of the training split with photos x and labels y:

        u = network(view(x)),   w ← w − step(∇ loss(u, y, r, progress)),   progress = steps done / all steps.

    All random numbers are drawn from (seed, epoch, batch). On a CPU with the same number of threads, the outcome is
    therefore identical to the last bit, whether the training ran through or was killed and resumed from its snapshot.
    GPUs may sum in another order each time; apart from that, the same holds.

    Args:
        network: maps photos (N, 3, size, size) in [0, 1] to logits (N, bits); moved to the device and changed in place.
        loss: a `HashLoss` that was made for `data.train`.
        data: the photos, see `TrainingData`.
        settings: the settings, see `TrainingSettings`.
        device: the device to train on.
        group: the processes that train together; only the first validates, reports and writes files.
        about: more values that identify this training, by name; plain values, kept in the snapshot.
        resume: continue from the snapshot, if there is one.
        on_batch: called after each batch.
        on_epoch: called with the whole log after each epoch, before the snapshot is written.

    Raises:
        TrainingError: if the loss or a weight becomes NaN or infinite; if there is a snapshot but `resume` is False; or
            if the snapshot belongs to another training or cannot be written.
        DataError: if a photo cannot be read.
        KeyboardInterrupt: on Ctrl-C, after the current batch is finished and the snapshot written.
    """
    recipe, device, photos = settings.recipe, torch.device(device), len(data.train)
    if recipe.batch % group.world:
        raise TrainingError(f"--batch {recipe.batch} is not a multiple of the {group.world} processes")
    if photos < max(2, group.world):
        raise TrainingError(f"{photos} photos are too few to train on with {group.world} processes")
    weights = {**network.state_dict(), **{f"loss.{name}": value for name, value in loss.state_dict().items()}}
    identity = {
        **settings.identity(),
        "processes": group.world,
        "mirror": data.mirror,
        "photos": digest_of_split(data.train),
        "weights": digest_of_weights(weights),
        **(about or {}),
    }

    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload] # torch does take it
    if group.world > 1 and device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # torch has none for CPUs
    loss.to(device)
    average = WeightAverage(network, settings.average) if settings.average else None
    state = TrainingState(network, loss, make_optimiser(network, loss, recipe), average)
    saved = group.from_first(lambda: _saved_state(settings, identity, resume=resume))
    if saved is not None:
        state.load_state_dict(saved)
    group.share(network, loss)

    labels = data.train.labels.to(device)
    run = _Run(state, group.wrap(network), data, labels, settings, device, group, identity, on_batch, on_epoch)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), _stop_on_interrupt(run.stop, group):
        while state.epoch < recipe.epochs:
            run.epoch()

    network.load_state_dict(state.kept.state_dict())
    group.share(network, loss)
    network.eval()
    rates = [line.images_per_second for line in state.log]
    return TrainingReport(tuple(state.log), state.seconds, sum(rates) / len(rates))


@dataclass
class _Run:
    """One call of `train`: its state, and what its steps need."""

    state: TrainingState
    model: nn.Module  # the network, wrapped for its group
    data: TrainingData
    labels: Tensor
    settings: TrainingSettings
    device: torch.device
    group: Group
    identity: dict[str, Any]
    on_batch: Callable[[BatchReport], None] | None
    on_epoch: Callable[[tuple[EpochReport, ...]], None] | None
    stop: threading.Event = field(default_factory=threading.Event)

    def epoch(self) -> None:
        """Train on each batch of the current epoch that is not done yet, validate, and write the log and a snapshot."""
        state, settings, data = self.state, self.settings, self.data
        order = batch_order(len(data.train), settings.recipe.batch, settings.seed, state.epoch, self.group.world)
        batch = len(order[0])
        part = self.group.part(batch)
        state.network.train()
        state.loss.train()
        began = written = time.perf_counter()
        before, epoch_before, first = state.seconds, state.epoch_seconds, state.batch
        reading = read_batches(
            data.train.photos,
            [rows[part] for rows in order],
            settings.size,
            first=first,
            workers=settings.workers,
        )
        for number, photos in reading:
            self.step(photos, order[number], number, len(order))
            state.batch = number + 1
            now = time.perf_counter()
            state.epoch_seconds, state.seconds = epoch_before + now - began, before + now - began
            self._report(batch, len(order), (state.batch - first) * batch / (now - began))
            if now - written > 60 * settings.minutes or self.stop.is_set():
                self._write()
                written = now
            if self.stop.is_set():
                raise KeyboardInterrupt
        validation_map = self._validate()
        state.seconds = before + time.perf_counter() - began
        mean, images = state.loss_sum / len(order), len(order) * batch / state.epoch_seconds
        state.log.append(EpochReport(state.epoch + 1, mean, self._rate(), images, state.seconds, validation_map))
        state.epoch, state.batch, state.loss_sum, state.epoch_seconds = state.epoch + 1, 0, 0.0, 0.0
        if self.group.first and self.on_epoch:
            self.on_epoch(tuple(state.log))
        self._write()
        if self.stop.is_set():
            raise KeyboardInterrupt

    def step(self, photos: Tensor, rows: Tensor, number: int, batches: int) -> None:
        """One step of the optimiser.

        Args:
            photos: this process' part of the batch, (n, 3, size, size), uint8.
            rows: the rows of the whole batch, (N,), int64.
            number: the number of the batch in the epoch, counted from 0.
            batches: the number of batches per epoch.
        """
        state, settings, recipe = self.state, self.settings, self.settings.recipe
        place = (settings.seed, state.epoch, number)
        torch.manual_seed(mixed_seed(*place, NETWORK, self.group.rank))
        generator = torch.Generator().manual_seed(mixed_seed(*place, VIEWS))
        views = draw_views(len(rows), settings.size, generator, mirror=self.data.mirror)
        inputs = augment(photos.to(self.device), views.part(self.group.part(len(rows))))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            logits = self.model(inputs)
        logits = self.group.gather(logits.float())
        progress = (state.epoch * batches + number) / (recipe.epochs * batches)
        rows = rows.to(self.device)
        value = state.loss(logits, self.labels[rows], rows, progress)
        loss = float(value.detach())
        if not math.isfinite(loss):
            path = settings.snapshot
            kept = f". {path} is kept as it was" if path is not None and path.exists() else ""
            raise TrainingError(
                f"the loss became {loss} in epoch {state.epoch + 1}, batch {number + 1}; try a lower --lr{kept}"
            )
        state.optimiser.zero_grad(set_to_none=True)
        value.backward()
        if settings.clip is not None:
            nn.utils.clip_grad_norm_([*state.network.parameters(), *state.loss.parameters()], settings.clip)
        set_learning_rate(state.optimiser, recipe, progress)
        state.optimiser.step()
        if state.average:
            state.average.update()
        state.loss_sum += loss

    def _validate(self) -> float | None:
        """The mAP of the weights that would be kept: validation photos search a sample of the training photos."""
        data, settings = self.data, self.settings
        if not self.group.first or data.validation is None or data.sample is None:
            return None
        queries, sample = (
            codes_of(self.state.kept, split, settings.size, device=self.device, workers=settings.workers)
            for split in (data.validation, data.sample)
        )
        return code_map(queries, sample, data.validation.labels, data.sample.labels)

    def _report(self, batch: int, batches: int, images_per_second: float) -> None:
        if not (self.group.first and self.on_batch):
            return
        state, epochs = self.state, self.settings.recipe.epochs
        left = ((epochs - state.epoch) * batches - state.batch) * batch / images_per_second
        mean = state.loss_sum / state.batch
        self.on_batch(
            BatchReport(state.epoch + 1, epochs, state.batch, batches, mean, self._rate(), images_per_second, left)
        )

    def _rate(self) -> float:
        """The learning rate of the network in the last step."""
        group = self.state.optimiser.param_groups[0]
        return float(group["lr"] / group["factor"])

    def _write(self) -> None:
        if self.group.first and self.settings.snapshot is not None:
            write_snapshot(self.settings.snapshot, self.identity, self.state)


def _saved_state(settings: TrainingSettings, identity: dict[str, Any], *, resume: bool) -> dict[str, Any] | None:
    """The state in the snapshot; None if there is no snapshot."""
    path = settings.snapshot
    if path is None or not path.exists():
        return None
    if not resume:
        raise TrainingError(
            "the snapshot of an unfinished training; continue with --resume, choose another --out, or remove it",
            path,
        )
    return read_snapshot(path, identity)


@contextmanager
def _stop_on_interrupt(stop: threading.Event, group: Group) -> Iterator[None]:
    """Let Ctrl-C set `stop`, so that the batch is finished and a snapshot written; a second Ctrl-C does not wait.

    Nothing changes if Ctrl-C is handled already, in threads other than the main thread, which receive no signals, or
    with several processes, which torchrun stops together.
    """
    main = threading.current_thread() is threading.main_thread()
    if group.world > 1 or not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def request(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, request)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def make_optimiser(network: nn.Module, loss: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Make the optimiser of a recipe; the hash layer and the loss' parameters learn `head_factor` times as fast."""
    head = list(network.head.parameters()) if isinstance(network, Encoder) else []
    in_head = {id(parameter) for parameter in head}
    below = [p for p in network.parameters() if p.requires_grad and id(p) not in in_head]
    above = [p for p in (*head, *loss.parameters()) if p.requires_grad]
    groups = [{"params": below, "factor": 1.0}, {"params": above, "factor": recipe.head_factor}]
    groups = [group for group in groups if group["params"]]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(
            groups,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )
    kind = torch.optim.AdamW if recipe.optimiser == "adamw" else torch.optim.Adam
    return kind(groups, lr=recipe.lr, weight_decay=recipe.weight_decay)


def set_learning_rate(optimiser: torch.optim.Optimizer, recipe: Recipe, progress: float) -> None:
    """Set the learning rate of each parameter group for the step at `progress` in [0, 1)."""
    for group in optimiser.param_groups:
        group["lr"] = recipe.lr * schedule_factor(recipe, progress) * group["factor"]


def schedule_factor(recipe: Recipe, progress: float) -> float:
    """The factor of the learning rate at `progress` in [0, 1). It depends on nothing else, so a schedule has no state.

    The one-cycle schedule (Smith and Topin, "Super-convergence", 2018) rises from 1/25 to 1 and falls to 1e-4, both
    along half a cosine; the momentum is constant. "step" multiplies by `step_factor` at each milestone.
    """
    if recipe.schedule == "step":
        return recipe.step_factor ** sum(progress >= milestone for milestone in recipe.milestones)
    if progress < recipe.warm_up:
        start, end, share = CYCLE_START, 1.0, progress / recipe.warm_up
    else:
        start, end, share = 1.0, CYCLE_END, (progress - recipe.warm_up) / (1 - recipe.warm_up)
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
