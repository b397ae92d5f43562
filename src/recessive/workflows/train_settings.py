"""What can be asked of `train`: one schema for the command line, and for whoever calls it otherwise."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from recessive.datasets import DATASETS, RetrievalData
from recessive.encoders import BACKBONES
from recessive.errors import SettingsError
from recessive.hashing import FROM_SCRATCH, LOSSES, PUBLISHED, Recipe
from recessive.options import TrainOptions


def recipe_of(settings: TrainOptions) -> Recipe:
    """The loss' recipe, published or ours, with what the settings change."""
    recipe = (PUBLISHED if settings.published else FROM_SCRATCH)[settings.loss]
    changed = {name: value for name in ("epochs", "batch", "lr") if (value := getattr(settings, name)) is not None}
    return replace(recipe, **changed)


def check_train(settings: TrainOptions) -> None:
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
    _check_out(settings.checkpoint)


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


def asked_of(settings: TrainOptions, recipe: Recipe, data: RetrievalData) -> dict[str, Any]:
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
        "validate": settings.validate,
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
