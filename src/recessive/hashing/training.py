"""The one training loop, for every loss and every backbone."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from recessive.hashing.average import WeightAverage
from recessive.hashing.batches import augment, batch_order, draw_views, mixed_seed, read_batches
from recessive.hashing.distributed import ALONE, Group
from recessive.hashing.errors import TrainingError
from recessive.hashing.evaluate import code_map, codes_of
from recessive.hashing.held_out import TrainingData
from recessive.hashing.interrupts import stop_on_interrupt
from recessive.hashing.optimiser import make_optimiser, set_learning_rate
from recessive.hashing.settings import BatchReport, EpochReport, TrainingReport, TrainingSettings
from recessive.hashing.snapshot import (
    TrainingState,
    digest_of_split,
    digest_of_weights,
    read_snapshot,
    write_snapshot,
)

_VIEWS, _NETWORK = 1, 2  # tell apart what is drawn from one (seed, epoch, batch)


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
    """Fit a network, and a loss' own parameters, to the labels of photos.

    One step, on rows r of the training split with photos x and labels y:

        u = network(view(x)),   w ← w − step(∇ loss(u, y, r, progress)),   progress = steps done / all steps.

    Everything random is drawn from (seed, epoch, batch), so the outcome is the same to the last bit, on a CPU with the
    same number of threads, whether the training ran through or was killed and went on from its snapshot. GPUs may sum
    in another order each time; there it is the same but for that.

    Args:
        network: photos (N, 3, size, size) in [0, 1] to logits (N, bits); changed in place, moved to the device.
        loss: a `HashLoss`, made for `data.train`.
        data: see `TrainingData`.
        settings: see `TrainingSettings`.
        device: where to train.
        group: the processes that train together; the first alone validates, reports and writes.
        about: what else tells this training from others, by name; plain values, kept in the snapshot.
        resume: go on from the snapshot where there is one.
        on_batch: told after each batch.
        on_epoch: told the whole log after each epoch, before the snapshot.

    Raises:
        TrainingError: the loss or a weight becomes NaN or infinite; the snapshot exists and `resume` is not given, is
            of another training, or cannot be written.
        DataError: a photo cannot be read.
        KeyboardInterrupt: on Ctrl-C, after the batch going on; the snapshot is written first.
    """
    return _Run(network, loss, data, settings, torch.device(device), group, about, on_batch, on_epoch).run(
        resume=resume
    )


class _Run:
    """One call of `train`."""

    def __init__(
        self,
        network: nn.Module,
        loss: nn.Module,
        data: TrainingData,
        settings: TrainingSettings,
        device: torch.device,
        group: Group,
        about: Mapping[str, Any] | None,
        on_batch: Callable[[BatchReport], None] | None,
        on_epoch: Callable[[tuple[EpochReport, ...]], None] | None,
    ) -> None:
        if settings.batch % group.world:
            raise TrainingError(f"--batch {settings.batch} is no multiple of the {group.world} processes")
        if len(data.train) < max(2, group.world):
            raise TrainingError(f"{len(data.train)} photos to train on are too few for {group.world} processes")
        self.identity = {
            **settings.identity(),
            "processes": group.world,
            "mirror": data.mirror,
            "photos": digest_of_split(data.train),
            "weights": digest_of_weights(
                {**network.state_dict(), **{f"loss.{k}": v for k, v in loss.state_dict().items()}}
            ),
            **(about or {}),
        }
        self.data, self.settings, self.device, self.group = data, settings, device, group
        self.on_batch, self.on_epoch = on_batch, on_epoch
        self.labels = data.train.labels.to(device)
        self.batches = len(batch_order(len(data.train), settings.batch, settings.seed, 0, group.world))
        network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload] # torch does take it
        if group.world > 1 and device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # torch has none for CPUs
        loss.to(device)
        average = WeightAverage(network, settings.average) if settings.average else None
        self.state = TrainingState(network, loss, make_optimiser(network, loss, settings.recipe), average)
        self.stop = threading.Event()

    def run(self, *, resume: bool) -> TrainingReport:
        state, settings, group = self.state, self.settings, self.group
        saved = group.from_first(lambda: self._snapshot(resume=resume))
        if saved is not None:
            state.load_state_dict(saved)
        group.share(state.network, state.loss)
        model = group.wrap(state.network)
        forked = [self.device] if self.device.type == "cuda" else []
        asked = stop_on_interrupt(self.stop) if group.world == 1 else nullcontext()  # torchrun stops all at once
        with torch.random.fork_rng(devices=forked), asked:
            while state.epoch < settings.epochs:
                self._epoch(model)
                if self.stop.is_set():
                    raise KeyboardInterrupt
        kept = state.average.module if state.average else state.network
        state.network.load_state_dict(kept.state_dict())
        group.share(state.network, state.loss)
        state.network.eval()
        rates = [line.images_per_second for line in state.log]
        return TrainingReport(tuple(state.log), state.seconds, sum(rates) / len(rates))

    def _snapshot(self, *, resume: bool) -> dict[str, Any] | None:
        path = self.settings.snapshot
        if path is None or not path.exists():
            return None
        if not resume:
            raise TrainingError(
                f"{path} is the snapshot of a training that has not finished: go on with --resume, choose another "
                "--out, or remove it"
            )
        return read_snapshot(path, self.identity)

    def _epoch(self, model: nn.Module) -> None:
        state, settings, data = self.state, self.settings, self.data
        order = batch_order(len(data.train), settings.batch, settings.seed, state.epoch, self.group.world)
        part = self.group.part(len(order[0]))
        own = [rows[part] for rows in order]
        state.network.train()
        state.loss.train()
        began, spent, first = time.perf_counter(), state.epoch_seconds, state.batch
        written, before = began, state.seconds
        rate = 0.0
        for number, photos in read_batches(
            data.train.photos, own, settings.size, first=state.batch, workers=settings.workers
        ):
            rate = self._step(model, photos, order[number], number, part)
            state.batch = number + 1
            now = time.perf_counter()
            state.epoch_seconds, state.seconds = spent + now - began, before + now - began
            self._tell(rate, (state.batch - first) * len(order[0]) / (now - began))
            if now - written > 60 * settings.minutes or self.stop.is_set():
                self._write()
                written = now
            if self.stop.is_set():
                raise KeyboardInterrupt
        validation_map = self._validate()
        seconds = before + time.perf_counter() - began
        images = self.batches * len(order[0]) / state.epoch_seconds
        mean = state.loss_sum / self.batches
        state.log.append(EpochReport(state.epoch + 1, mean, rate, images, seconds, validation_map))
        state.seconds = seconds
        state.epoch, state.batch, state.loss_sum, state.epoch_seconds = state.epoch + 1, 0, 0.0, 0.0
        if self.group.first and self.on_epoch:
            self.on_epoch(tuple(state.log))
        self._write()

    def _step(self, model: nn.Module, photos: Tensor, rows: Tensor, number: int, part: slice) -> float:
        """One step of the network; gives its learning rate."""
        state, settings = self.state, self.settings
        place = (settings.seed, state.epoch, number)
        torch.manual_seed(mixed_seed(*place, _NETWORK, self.group.rank))
        drawn = torch.Generator().manual_seed(mixed_seed(*place, _VIEWS))
        views = draw_views(len(rows), settings.size, drawn, mirror=self.data.mirror).part(part)
        inputs = augment(photos.to(self.device), views)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            logits = model(inputs)
        logits = self.group.gather(logits.float())
        progress = (state.epoch * self.batches + number) / (settings.epochs * self.batches)
        rows = rows.to(self.device)
        value = state.loss(logits, self.labels[rows], rows, progress)
        loss = float(value.detach())
        if not math.isfinite(loss):
            kept = (
                f"; {settings.snapshot} is kept as it was" if settings.snapshot and settings.snapshot.exists() else ""
            )
            raise TrainingError(
                f"the loss became {loss} in epoch {state.epoch + 1}, batch {number + 1}: try a lower --lr{kept}"
            )
        state.optimiser.zero_grad(set_to_none=True)
        value.backward()
        if settings.clip is not None:
            nn.utils.clip_grad_norm_([*state.network.parameters(), *state.loss.parameters()], settings.clip)
        rate = set_learning_rate(state.optimiser, settings.recipe, progress)
        state.optimiser.step()
        if state.average:
            state.average.update()
        state.loss_sum += loss
        return rate

    def _tell(self, rate: float, images_per_second: float) -> None:
        if not (self.group.first and self.on_batch):
            return
        state, epochs = self.state, self.settings.epochs
        left = (epochs - state.epoch) * self.batches - state.batch
        batch = min(self.settings.batch, len(self.data.train))
        self.on_batch(
            BatchReport(
                state.epoch + 1,
                epochs,
                state.batch,
                self.batches,
                state.loss_sum / state.batch,
                rate,
                images_per_second,
                left * batch / images_per_second,
            )
        )

    def _validate(self) -> float | None:
        """Early mAP of the weights that would be kept: held-out photos search a sample of the training photos."""
        data, settings = self.data, self.settings
        if not self.group.first or data.validation is None or data.sample is None:
            return None
        network = self.state.average.module if self.state.average else self.state.network
        queries, sample = (
            codes_of(network, split, settings.size, device=self.device, workers=settings.workers)
            for split in (data.validation, data.sample)
        )
        return code_map(queries, sample, data.validation.labels, data.sample.labels)

    def _write(self) -> None:
        if self.group.first and self.settings.snapshot is not None:
            write_snapshot(self.settings.snapshot, self.identity, self.state)
