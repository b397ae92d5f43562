"""Measure checkpoints: what was trained, from its file, on its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from recessive.datasets import ArrayPhotos, DataError, RetrievalData, load_data
from recessive.datasets.photos import ChosenPhotos
from recessive.devices import pick_device
from recessive.encoders import Checkpoint, EncoderError, committed_checkpoints, load_checkpoint, load_committed
from recessive.errors import SettingsError
from recessive.hashing import RetrievalFigures, evaluate


@dataclass(frozen=True)
class TrainReport:
    """A trained network and what it reaches, measured on the checkpoint as read again from its file.

    Attributes:
        card: as stored in the checkpoint: what was trained, on what, how, and the figures of then.
        figures: as measured now.
        out: the checkpoint.
        trained: whether it was trained now; otherwise it was found finished, or only asked about.
    """

    card: dict[str, Any]
    figures: RetrievalFigures
    out: str
    trained: bool

    def to_json(self) -> dict[str, Any]:
        """The card, its figures replaced by those measured now, and beside them the card's mAP."""
        measured = asdict(self.figures)
        return {**self.card, **measured, "map_card": self.card.get("map"), "out": self.out, "trained": self.trained}


def evaluate_checkpoint(
    name: str,
    root: Path | None,
    *,
    data: str | None = None,
    device: str | None = None,
    workers: int | None = None,
    k: int = 1000,
    download: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> TrainReport:
    """Measure a checkpoint again, on the data and by the protocol of its card.

    Args:
        name: the checkpoint, a file or the name of a committed one.
        root: folder that holds the data sets.
        data: where the data lie, for a folder of photos that has moved.
        device: where to; a GPU where there is one when None.
        workers: processes that read photos ahead; when None 0 for photos in memory, else 2.
        k: results that mAP at k counts.
        download: fetch the data set where that is allowed.
        progress: told how many of how many photos are measured.

    Raises:
        SettingsError: the checkpoint cannot be read, or the data are missing.
        DataError: a photo cannot be read.
    """
    checkpoint = load_named(name)
    card = checkpoint.card
    missing = [key for key in ("data", "protocol") if key not in card]
    if missing:
        raise SettingsError(f"{name}: its card does not say its {' and '.join(missing)}: it cannot be measured again")
    read = read_data(data or card["data"], root, card["protocol"], download=download)
    return measure(name, checkpoint, read, pick_device(device), workers_for(workers, read), k, progress)


def measure(
    name: str,
    checkpoint: Checkpoint,
    data: RetrievalData,
    device: torch.device,
    workers: int,
    k: int,
    progress: Callable[[int, int], None] | None,
) -> TrainReport:
    """Measure a checkpoint that is loaded; arguments as for `evaluate_checkpoint`."""
    network, size = checkpoint.network.to(device), checkpoint.card["size"]
    figures = evaluate(network, data, size, k=k, device=device, workers=workers, progress=progress)
    return TrainReport(checkpoint.card, figures, name, trained=False)


def read_data(name: str, root: Path | None, protocol: str | None, *, download: bool) -> RetrievalData:
    """The data set; what is wrong with it is wrong use.

    Raises:
        SettingsError: as `load_data` has it.
    """
    try:
        return load_data(name, root, protocol=protocol, download=download)
    except DataError as error:
        raise SettingsError(str(error)) from error


def workers_for(asked: int | None, data: RetrievalData) -> int:
    """Processes that read photos: none where they lie in memory."""
    if asked is not None:
        return asked
    photos = data.gallery.photos
    if isinstance(photos, ChosenPhotos):
        photos = photos.photos
    return 0 if isinstance(photos, ArrayPhotos) else 2


def load_named(name: str | Path) -> Checkpoint:
    """A committed checkpoint by its name, else one in a file.

    Raises:
        SettingsError: there is none, or it is damaged.
    """
    try:
        return load_committed(str(name)) if str(name) in committed_checkpoints() else load_checkpoint(Path(name))
    except EncoderError as error:
        raise SettingsError(str(error)) from error
