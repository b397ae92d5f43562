"""What can be asked of `train`: one schema for the command line, and for whoever calls it otherwise."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recessive.datasets import DATASETS, RetrievalData
from recessive.encoders import BACKBONES, Precision
from recessive.errors import SettingsError
from recessive.hashing import FROM_SCRATCH, LOSSES, PUBLISHED, Recipe


class TrainSettings(BaseModel):
    """What is trained, on what, and where the checkpoint goes. What is None is chosen by the loss' recipe.

    Attributes:
        loss: a key of `LOSSES`.
        data: a key of `DATASETS`, or a folder with a folder of photos a class.
        root: folder that holds the data sets.
        protocol: of the splits; the data set's first when None.
        download: fetch the data set where that is allowed.
        bits: length of the code.
        backbone: a key of `BACKBONES`.
        size: pixels a side that photos are read at; the data set's or the backbone's own when None.
        epochs: times that each photo is seen.
        batch: photos a step, of all processes together.
        lr: learning rate.
        published: train as the paper does, rather than as suits small networks.
        seed: of weights, order and variations; the splits are the same for all seeds.
        start: a checkpoint, a file or the name of a committed one, whose backbone's weights are begun with.
        weights: a file of pretrained weights for the backbone.
        pretrained: download them.
        precision: of the network's forward pass; bfloat16 where the device computes with it when None.
        average: decay of the running average of weights; 0 keeps the last ones.
        validate_share: share of the training photos that is held out, at most 1,000 photos.
        minutes: between snapshots within an epoch.
        out: the checkpoint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: str
    data: str
    root: Path | None = None
    protocol: str | None = None
    download: bool = False
    bits: int = Field(default=48, ge=12, le=128)
    backbone: str = "small-resnet"
    size: int | None = Field(default=None, ge=16, le=1024)
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    batch: int | None = Field(default=None, ge=2, le=65_536)
    lr: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    published: bool = False
    seed: int = Field(default=0, ge=0, lt=2**63)
    start: str | None = None
    weights: Path | None = None
    pretrained: bool = False
    precision: Precision | None = None
    average: float = Field(default=0.0, ge=0, lt=1)
    validate_share: float = Field(default=0.05, ge=0, le=0.5)
    minutes: float = Field(default=5, gt=0)
    out: Path


def recipe_of(settings: TrainSettings) -> Recipe:
    """The loss' recipe, published or ours, with what the settings change."""
    recipe = (PUBLISHED if settings.published else FROM_SCRATCH)[settings.loss]
    changed = {name: value for name in ("epochs", "batch", "lr") if (value := getattr(settings, name)) is not None}
    return replace(recipe, **changed)


def check_train(settings: TrainSettings) -> None:
    """What can be known before data are read.

    Raises:
        SettingsError: a name is unknown, a file is missing, or the checkpoint could not be written.
    """
    for what, name, known in (("loss", settings.loss, LOSSES), ("backbone", settings.backbone, BACKBONES)):
        if name not in known:
            raise SettingsError(f"no {what} is called {name!r}; there are {', '.join(known)}")
    if settings.data not in DATASETS and not Path(settings.data).is_dir():
        raise SettingsError(
            f"no data set or folder is called {settings.data!r}; there are {', '.join(DATASETS)}, or name a folder "
            "with a folder of photos a class"
        )
    if sum((settings.start is not None, settings.weights is not None, settings.pretrained)) > 1:
        raise SettingsError("--start, --weights and --pretrained each give the backbone its weights: choose one")
    _check_out(settings.out)


def _check_out(out: Path) -> None:
    if out.suffix != ".safetensors":
        raise SettingsError(f"--out {out}: a checkpoint's name ends in .safetensors")
    if out.is_dir():
        raise SettingsError(f"--out {out} is a folder; name a file in it")
    if not out.parent.is_dir():
        raise SettingsError(f"--out {out}: the folder {out.parent} does not exist; make it first")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise SettingsError(f"--out {out}: nothing can be written there ({error.strerror or error})") from None


def asked_of(settings: TrainSettings, recipe: Recipe, data: RetrievalData) -> dict[str, Any]:
    """What decides the outcome, as JSON gives it back: a finished checkpoint is compared by it."""
    asked = {
        "loss": settings.loss,
        "data": settings.data if settings.data in DATASETS else data.name,
        "protocol": data.protocol,
        "bits": settings.bits,
        "backbone": settings.backbone,
        "asked_size": settings.size,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "lr": recipe.lr,
        "seed": settings.seed,
        "asked_precision": settings.precision,
        "average": settings.average,
        "validate": settings.validate_share,
        "published": settings.published,
        "start": settings.start and Path(settings.start).name,
        "weights": settings.weights.name if settings.weights else None,
        "pretrained": settings.pretrained,
        "recipe": {
            name: value for name, value in asdict(recipe).items() if name not in ("epochs", "batch", "lr", "note")
        },
    }
    plain: dict[str, Any] = json.loads(json.dumps(asked))
    return plain
