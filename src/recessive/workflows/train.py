"""Train a hash network: from a data set's name to a measured checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from recessive import __version__
from recessive.datasets import DATASETS, RetrievalData
from recessive.devices import fast_precision, pick_device
from recessive.encoders import (
    EncoderError,
    HashNetwork,
    load_checkpoint,
    make_backbone,
    make_hash_network,
    save_checkpoint,
)
from recessive.errors import SettingsError
from recessive.hashing import (
    BatchReport,
    EpochReport,
    LossContext,
    TrainingError,
    TrainingSettings,
    joined,
    make_loss,
    train,
    training_data,
    write_log,
)
from recessive.hashing.snapshot import digest_of_weights
from recessive.options import TrainOptions, check
from recessive.workflows.measure import TrainReport, load_named, measure, read_data, workers_for
from recessive.workflows.train_settings import asked_of, check_train, recipe_of

NO_MIRROR = {"mnist"}  # a mirrored digit is another one, or none


def train_encoder(
    settings: TrainOptions,
    *,
    on_batch: Callable[[BatchReport], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainReport | None:
    """Train, save, read the checkpoint again and measure it. What is finished already is only measured.

    Beside the checkpoint OUT stand OUT.log.csv, a line an epoch, and until the training is finished OUT.snapshot.

    Args:
        settings: what is asked for.
        on_batch: told after each batch.
        on_epoch: told after each epoch.
        progress: told how many of how many photos are measured.

    Returns:
        None in all processes of a group but the first.

    Raises:
        SettingsError: a name is unknown, something is missing, or the checkpoint could not be written; before training.
        TrainingError: see `train`; or the checkpoint cannot be written, the snapshot then holds the training.
        DataError: a photo cannot be read.
    """
    settings = check(settings)
    check_train(settings)
    workers, k = settings.workers, settings.top
    torch_device = pick_device(settings.device)
    with joined(torch_device) as group:
        recipe = recipe_of(settings)
        data = read_data(settings.data, settings.root, settings.protocol, download=settings.download)
        check_splits(data)
        workers = workers_for(workers, data)
        asked = asked_of(settings, recipe, data)
        if group.from_first(lambda: _finished(settings.checkpoint, asked)):
            if not group.first:
                return None
            found = load_named(settings.checkpoint)
            return measure(str(settings.checkpoint), found, data, torch_device, workers, k, progress)
        network, size, started_from = _make_network(settings)
        kept = training_data(data, settings.validate, settings.seed, mirror=data.name not in NO_MIRROR)
        torch.manual_seed(settings.seed)
        loss = make_loss(
            settings.loss,
            LossContext(
                bits=settings.bits,
                classes=len(data.classes),
                photos=len(kept.train),
                labels=kept.train.labels,
                seed=settings.seed,
                multi_label=data.multi_label,
            ),
        )
        precision = settings.precision or fast_precision(torch_device)
        report = train(
            network,
            loss,
            kept,
            TrainingSettings(
                recipe=recipe,
                size=size,
                seed=settings.seed,
                precision=precision,
                average=settings.average,
                workers=workers,
                snapshot=_beside(settings.checkpoint, ".snapshot"),
                minutes=settings.minutes,
            ),
            device=torch_device,
            group=group,
            about={name: asked[name] for name in ("loss", "data", "protocol", "bits", "backbone")},
            resume=settings.resume,
            on_batch=on_batch,
            on_epoch=lambda log: _logged(settings.checkpoint, log, on_epoch),
        )
        if not group.first:
            return None
        card = {
            "name": settings.checkpoint.stem,
            **asked,
            "size": size,
            "precision": precision,
            "note": data.note,
            "classes": list(data.classes),
            "train": len(kept.train),
            "started_from": started_from,
            "epochs_run": len(report.log),
            "seconds": round(report.seconds, 1),
            "images_per_second": round(report.images_per_second, 1),
            "validation_map": report.log[-1].validation_map,
            "processes": group.world,
            "device": torch_device.type,
            "threads": torch.get_num_threads(),
            "recessive": __version__,
            "torch": torch.__version__,
        }
        return _save_and_measure(settings.checkpoint, network.cpu(), card, data, torch_device, workers, k, progress)


def check_splits(data: RetrievalData) -> None:
    """Whether there is something to train on.

    Raises:
        SettingsError: the training split is empty.
    """
    if len(data.train) == 0:
        raise SettingsError(
            f"{data.name}: the train split of protocol {data.protocol} has no photos; train on another data set"
        )


def _make_network(settings: TrainOptions) -> tuple[HashNetwork, int, str | None]:
    """The network as training begins with it, the size of its photos, and where its backbone's weights come from."""
    torch.manual_seed(settings.seed)
    usual = (
        DATASETS[settings.data].size if settings.data in DATASETS and settings.backbone.startswith("small") else None
    )
    try:
        backbone = make_backbone(
            settings.backbone,
            size=settings.size or usual,
            weights=settings.weights,
            pretrained=settings.pretrained,
        )
        network = make_hash_network(settings.checkpoint.stem, backbone, settings.bits)
    except EncoderError as error:
        raise SettingsError(str(error)) from error
    if settings.weights is not None:
        return network, backbone.size, settings.weights.name
    if settings.pretrained:
        return network, backbone.size, "pretrained"
    if settings.start is None:
        return network, backbone.size, None
    begun = load_named(settings.start)
    weights = begun.network.trunk.state_dict()
    try:
        network.trunk.load_state_dict(weights)
    except RuntimeError:
        raise SettingsError(
            f"--start {settings.start} holds a {begun.card.get('backbone')}, whose weights do not fit "
            f"{settings.backbone}: use that --backbone, or another checkpoint"
        ) from None
    return network, backbone.size, f"{begun.card['name']} ({digest_of_weights(weights)})"


def _finished(out: Path, asked: dict[str, Any]) -> bool:
    """Whether the checkpoint is there already, as asked for; it is never trained over.

    Raises:
        SettingsError: it was trained otherwise, or is none.
    """
    if not out.exists():
        return False
    card = load_named(out).card
    different = [
        f"{name} (there {card.get(name)}, now {value})" for name, value in asked.items() if card.get(name) != value
    ]
    if different:
        raise SettingsError(
            f"--out {out} was trained otherwise; different are {', '.join(different)}: choose another --out, or "
            "remove it"
        )
    return True


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(out.name + suffix)


def _logged(out: Path, log: tuple[EpochReport, ...], on_epoch: Callable[[EpochReport], None] | None) -> None:
    write_log(_beside(out, ".log.csv"), log)
    if on_epoch:
        on_epoch(log[-1])


def _save_and_measure(
    out: Path,
    network: HashNetwork,
    card: dict[str, Any],
    data: RetrievalData,
    device: torch.device,
    workers: int,
    k: int,
    progress: Callable[[int, int], None] | None,
) -> TrainReport:
    """The checkpoint gets its name only when its figures, measured on the float16 weights, stand in its card."""
    unmeasured = _beside(out, ".unmeasured.safetensors")
    try:
        save_checkpoint(unmeasured, network, card)
        measured = measure(str(unmeasured), load_checkpoint(unmeasured), data, device, workers, k, progress)
        save_checkpoint(out, load_checkpoint(unmeasured).network, {**card, **asdict(measured.figures)})
        saved = load_checkpoint(out)
        _beside(out, ".snapshot").unlink(missing_ok=True)
    except (OSError, EncoderError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise TrainingError(
            f"{out}: the checkpoint cannot be written ({reason}); make room and run again with --resume: the snapshot "
            "holds the finished training"
        ) from error
    finally:
        unmeasured.unlink(missing_ok=True)
    return TrainReport(saved.card, measured.figures, str(out), trained=True)
