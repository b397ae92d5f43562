"""Train a hash network, from the name of a data set to a measured checkpoint; measure a checkpoint again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from recessive import __version__
from recessive.datasets import DATASETS, ArrayPhotos, DataError, RetrievalData, load_data
from recessive.datasets.photos import ChosenPhotos
from recessive.devices import fast_precision, pick_device
from recessive.encoders import (
    BACKBONES,
    Checkpoint,
    EncoderError,
    HashNetwork,
    committed_checkpoints,
    load_checkpoint,
    load_committed,
    make_backbone,
    make_hash_network,
    save_checkpoint,
)
from recessive.errors import SettingsError
from recessive.hashing import (
    FROM_SCRATCH,
    LOSSES,
    PUBLISHED,
    BatchReport,
    EpochReport,
    LossContext,
    Recipe,
    RetrievalFigures,
    TrainingError,
    TrainingSettings,
    evaluate,
    joined,
    make_loss,
    train,
    training_data,
    write_log,
)
from recessive.hashing.snapshot import digest_of_weights
from recessive.options import TrainOptions, check

NO_MIRROR = {"mnist"}  # a mirrored digit is another digit, or none


@dataclass(frozen=True)
class TrainReport:
    """A trained network and its figures, measured on the checkpoint as read from its file.

    Attributes:
        card: the card in the checkpoint: what was trained, on what and how, and the figures of that time.
        figures: the figures measured now.
        out: the checkpoint.
        trained: whether it was trained now; otherwise it had been finished before, or was only measured.
    """

    card: dict[str, Any]
    figures: RetrievalFigures
    out: str
    trained: bool

    def to_json(self) -> dict[str, Any]:
        """The card with the figures measured now, and the card's own mAP as ``map_card``."""
        measured = asdict(self.figures)
        return {**self.card, **measured, "map_card": self.card.get("map"), "out": self.out, "trained": self.trained}


def train_encoder(
    options: TrainOptions,
    *,
    on_batch: Callable[[BatchReport], None] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainReport | None:
    """Train a network, save its checkpoint, read it again and measure it. A finished checkpoint is only measured.

    Beside the checkpoint OUT there is a log OUT.log.csv with one line per epoch and, until the training is finished,
    OUT.snapshot.

    Args:
        options: what to train, on what, and where to save it.
        on_batch: called after each batch.
        on_epoch: called after each epoch.
        progress: called with (photos measured, photos in total).

    Returns:
        The report; None in all processes of a group but the first.

    Raises:
        SettingsError: before training, if an option has no meaning, a name is unknown, something is missing, or the
            checkpoint could not be written.
        TrainingError: as in `recessive.hashing.train`; or if the checkpoint cannot be written, in which case the
            snapshot holds the finished training.
        DataError: if a photo cannot be read.
    """
    options = check(options)
    _check_names(options)
    out, recipe, device = options.checkpoint, _recipe(options), pick_device(options.device)
    with joined(device) as group:
        data = _read_data(options)
        if len(data.train) == 0:
            raise SettingsError(
                f"{data.name}: protocol {data.protocol} has no training photos; train on another data set"
            )
        measure = partial(_measure, data=data, options=options, progress=progress)
        requested = _requested(options, recipe, data)
        if group.from_first(lambda: _finished(out, requested)):
            return measure(str(out), load_named(out)) if group.first else None
        network, size, started_from = _make_network(options)
        kept = training_data(data, options.validate, options.seed, mirror=data.name not in NO_MIRROR)
        context = LossContext(
            bits=options.bits,
            classes=len(data.classes),
            photos=len(kept.train),
            labels=kept.train.labels,
            seed=options.seed,
            multi_label=data.multi_label,
        )
        torch.manual_seed(options.seed)
        settings = TrainingSettings(
            recipe=recipe,
            size=size,
            seed=options.seed,
            precision=options.precision or fast_precision(device),
            average=options.average,
            workers=_workers(options, data),
            snapshot=_beside(out, ".snapshot"),
            minutes=options.minutes,
        )

        def log(lines: tuple[EpochReport, ...]) -> None:
            write_log(_beside(out, ".log.csv"), lines)
            if on_epoch:
                on_epoch(lines[-1])

        report = train(
            network,
            make_loss(options.loss, context),
            kept,
            settings,
            device=device,
            group=group,
            about={name: requested[name] for name in ("loss", "data", "protocol", "bits", "backbone")},
            resume=options.resume,
            on_batch=on_batch,
            on_epoch=log,
        )
        if not group.first:
            return None
        card = {
            "name": out.stem,
            **requested,
            "size": size,
            "precision": settings.precision,
            "note": data.note,
            "classes": list(data.classes),
            "train": len(kept.train),
            "started_from": started_from,
            "epochs_run": len(report.log),
            "seconds": round(report.seconds, 1),
            "images_per_second": round(report.images_per_second, 1),
            "validation_map": report.log[-1].validation_map,
            "processes": group.world,
            "device": device.type,
            "threads": torch.get_num_threads(),
            "recessive": __version__,
            "torch": torch.__version__,
        }
        return _save(out, network.cpu(), card, measure)


def evaluate_checkpoint(
    name: str, options: TrainOptions, *, progress: Callable[[int, int], None] | None = None
) -> TrainReport:
    """Measure a checkpoint again, on the data and by the protocol of its card.

    Args:
        name: the checkpoint: a file, or the name of a committed one.
        options: `root`, `download`, `device`, `workers` and `top` are used, and `data` if a folder of photos has moved.
        progress: called with (photos measured, photos in total).

    Raises:
        SettingsError: if the checkpoint cannot be read, or the data are missing.
        DataError: if a photo cannot be read.
    """
    options, checkpoint = check(options), load_named(name)
    card = checkpoint.card
    missing = [key for key in ("data", "protocol") if key not in card]
    if missing:
        raise SettingsError(f"{name} cannot be measured again: its card does not state its {' and '.join(missing)}")
    data = _read_data(replace(options, data=options.data or card["data"], protocol=card["protocol"]))
    return _measure(name, checkpoint, data, options, progress)


def _measure(
    name: str,
    checkpoint: Checkpoint,
    data: RetrievalData,
    options: TrainOptions,
    progress: Callable[[int, int], None] | None,
) -> TrainReport:
    device, card = pick_device(options.device), checkpoint.card
    figures = evaluate(
        checkpoint.network.to(device),
        data,
        card["size"],
        k=options.top,
        device=device,
        workers=_workers(options, data),
        progress=progress,
    )
    return TrainReport(card, figures, name, trained=False)


def _save(
    out: Path, network: HashNetwork, card: dict[str, Any], measure: Callable[[str, Checkpoint], TrainReport]
) -> TrainReport:
    """Save the checkpoint under its name only once its card has the figures, measured on the float16 weights."""
    unmeasured = _beside(out, ".unmeasured.safetensors")
    try:
        save_checkpoint(unmeasured, network, card)
        measured = measure(str(unmeasured), load_checkpoint(unmeasured))
        save_checkpoint(out, load_checkpoint(unmeasured).network, {**card, **asdict(measured.figures)})
        saved = load_checkpoint(out)
        _beside(out, ".snapshot").unlink(missing_ok=True)
    except (OSError, EncoderError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        raise TrainingError(
            f"the checkpoint cannot be written ({reason}); free some space and run again with --resume: the snapshot "
            "holds the finished training",
            out,
        ) from error
    finally:
        unmeasured.unlink(missing_ok=True)
    return TrainReport(saved.card, measured.figures, str(out), trained=True)


def load_named(name: str | Path) -> Checkpoint:
    """Load a committed checkpoint by its name, or else a checkpoint from a file.

    Raises:
        SettingsError: if there is none, or it is damaged.
    """
    try:
        return load_committed(str(name)) if str(name) in committed_checkpoints() else load_checkpoint(Path(name))
    except EncoderError as error:
        raise SettingsError(str(error)) from error


def _read_data(options: TrainOptions) -> RetrievalData:
    """Load the data set; whatever is wrong with it is a wrong option."""
    try:
        return load_data(options.data, options.root, protocol=options.protocol, download=options.download)
    except DataError as error:
        raise SettingsError(str(error)) from error


def _workers(options: TrainOptions, data: RetrievalData) -> int:
    """The number of processes that read photos: by default none if photos are in memory."""
    if options.workers is not None:
        return options.workers
    photos = data.gallery.photos
    if isinstance(photos, ChosenPhotos):
        photos = photos.photos
    return 0 if isinstance(photos, ArrayPhotos) else 2


def _check_names(options: TrainOptions) -> None:
    """Check what can be known before data are read.

    Raises:
        SettingsError: if a name is unknown, a file is missing, or the checkpoint could not be written.
    """
    for what, name, known in (("loss", options.loss, LOSSES), ("backbone", options.backbone, BACKBONES)):
        if name not in known:
            raise SettingsError(f"unknown {what} {name!r}; choose one of {', '.join(known)}")
    if options.data not in DATASETS and not Path(options.data).is_dir():
        raise SettingsError(
            f"unknown data set or folder {options.data!r}; choose one of {', '.join(DATASETS)}, or a folder with one "
            "folder of photos per class"
        )
    if sum((options.start is not None, options.weights is not None, options.pretrained)) > 1:
        raise SettingsError("--start, --weights and --pretrained all give the backbone its weights; choose one")
    out = options.checkpoint
    if out.suffix != ".safetensors":
        raise SettingsError(f"--out {out}: the name of a checkpoint must end in .safetensors")
    if out.is_dir():
        raise SettingsError(f"--out {out} is a folder; name a file in it")
    if not out.parent.is_dir():
        raise SettingsError(f"--out {out}: the folder {out.parent} does not exist; create it first")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise SettingsError(f"--out {out}: nothing can be written there ({error.strerror or error})") from None


def _recipe(options: TrainOptions) -> Recipe:
    """The recipe of the loss, the paper's or ours, with the changes that the options make."""
    recipe = (PUBLISHED if options.published else FROM_SCRATCH)[options.loss]
    changed = {name: value for name in ("epochs", "batch", "lr") if (value := getattr(options, name)) is not None}
    return replace(recipe, **changed)


def _requested(options: TrainOptions, recipe: Recipe, data: RetrievalData) -> dict[str, Any]:
    """What decides the outcome, as JSON gives it back: a finished checkpoint is compared with it."""
    requested = {
        "loss": options.loss,
        "data": options.data if options.data in DATASETS else data.name,
        "protocol": data.protocol,
        "bits": options.bits,
        "backbone": options.backbone,
        "asked_size": options.size,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "lr": recipe.lr,
        "seed": options.seed,
        "asked_precision": options.precision,
        "average": options.average,
        "validate": options.validate,
        "published": options.published,
        "start": options.start and Path(options.start).name,
        "weights": options.weights.name if options.weights else None,
        "pretrained": options.pretrained,
        "recipe": {
            name: value for name, value in asdict(recipe).items() if name not in ("epochs", "batch", "lr", "note")
        },
    }
    plain: dict[str, Any] = json.loads(json.dumps(requested))
    return plain


def _finished(out: Path, requested: dict[str, Any]) -> bool:
    """Whether the checkpoint exists and was trained as requested; it is never trained over.

    Raises:
        SettingsError: if it was trained with other options, or is not a checkpoint.
    """
    if not out.exists():
        return False
    card = load_named(out).card
    different = [
        f"{name} (there {card.get(name)}, now {value})" for name, value in requested.items() if card.get(name) != value
    ]
    if different:
        raise SettingsError(
            f"--out {out} was trained with other options: {', '.join(different)}; choose another --out, or remove it"
        )
    return True


def _make_network(options: TrainOptions) -> tuple[HashNetwork, int, str | None]:
    """The network as the training begins, the size of its photos, and where the weights of its backbone come from."""
    torch.manual_seed(options.seed)
    small = options.backbone.startswith("small") and options.data in DATASETS
    usual = DATASETS[options.data].size if small else None
    try:
        backbone = make_backbone(
            options.backbone,
            size=options.size or usual,
            weights=options.weights,
            pretrained=options.pretrained,
        )
        network = make_hash_network(options.checkpoint.stem, backbone, options.bits)
    except EncoderError as error:
        raise SettingsError(str(error)) from error
    if options.weights is not None:
        return network, backbone.size, options.weights.name
    if options.pretrained:
        return network, backbone.size, "pretrained"
    if options.start is None:
        return network, backbone.size, None
    start = load_named(options.start)
    weights = start.network.trunk.state_dict()
    try:
        network.trunk.load_state_dict(weights)
    except RuntimeError:
        raise SettingsError(
            f"--start {options.start} has the backbone {start.card.get('backbone')}, whose weights do not fit "
            f"{options.backbone}; use that --backbone, or another checkpoint"
        ) from None
    return network, backbone.size, f"{start.card['name']} ({digest_of_weights(weights)})"


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(out.name + suffix)
