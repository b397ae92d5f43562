"""The public checkpoints of cnnimageretrieval: GeM networks fine-tuned for landmarks. Needs the extra `pretrained`.

A checkpoint is a dictionary that torch saved: `meta` says what the network is, `state_dict` holds its weights under
`features.*` (torchvision's layers numbered in their order, the last pooling left out), `lwhiten.*`, `pool.*` and
`whiten.*`. `meta["Lw"]` may hold whitenings learned afterwards, by the data they were learned from, for one scale
(`ss`) and for several (`ms`), each a mean `m` (D, 1) and a projection `P` (D, D), arrays of NumPy. Nothing is
downloaded here.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018.
"""

from __future__ import annotations

import math
import pickle
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from recessive.encoders.encoder import EncoderError
from recessive.encoders.gem import GeM
from recessive.encoders.networks.library import convolutional_part, residual
from recessive.encoders.retrieval.parts import LARGEST_EXPONENT
from recessive.encoders.retrieval.pooling import MAC, RMAC, RegionalPooling, SPoC
from recessive.encoders.retrieval.whitening import Whitening
from recessive.encoders.weight_files import first_line, fit
from recessive.safe_pickle import TORCH_STAND_INS

# Of each architecture, the channels of its last map and the shortest side that it can see.
_ARCHITECTURES = {
    "alexnet": (256, 31),
    **dict.fromkeys(("vgg11", "vgg13", "vgg16", "vgg19"), (512, 16)),
    **dict.fromkeys(("resnet18", "resnet34"), (512, 32)),
    **dict.fromkeys(("resnet50", "resnet101", "resnet152"), (2048, 32)),
    "densenet121": (1024, 32),
    "densenet161": (2208, 32),
    "densenet169": (1664, 32),
    "densenet201": (1920, 32),
}
_POOLINGS: dict[str, type[nn.Module]] = {"gem": GeM, "mac": MAC, "spoc": SPoC, "rmac": RMAC}
_UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class StoredNetwork:
    """The parts of a checkpoint's network, with its weights.

    Attributes:
        channels: C of the feature map.
        smallest: the shortest side that the backbone can see, in pixels.
        mean: of each channel, subtracted from photos in [0, 1].
        std: of each channel, divided by.
        features: the backbone, up to its last ReLU: (N, 3, H, W) to (N, C, h, w).
        pool: (N, C, h, w) to (N, C).
        local: the whitening of each place before pooling; None when there is none.
        linear: the whitening layer after pooling; None when there is none.
        whitening: one learned after the network; None when none is asked for.
    """

    channels: int
    smallest: int
    mean: list[float]
    std: list[float]
    features: nn.Module
    pool: nn.Module
    local: nn.Linear | None
    linear: nn.Linear | None
    whitening: Whitening | None


def read_cnnimageretrieval(path: Path, whitening: str | None, scales: Literal["ss", "ms"]) -> StoredNetwork:
    """The network of a checkpoint. Code in the file does not run, and no random number is drawn.

    Args:
        path: the checkpoint.
        whitening: a key of `meta["Lw"]`; none when None.
        scales: whether the whitening is that for one scale or for several.

    Raises:
        EncoderError: torchvision is not installed, or the file is missing, damaged, not such a checkpoint, of an
            architecture or pooling that is not known, without that whitening, or its weights do not fit.
    """
    meta, weights = _read(path)
    architecture = _known(path, meta, "architecture", _ARCHITECTURES)
    pooling = _known(path, meta, "pooling", _POOLINGS)
    mean, std = (_three(path, meta, key) for key in ("mean", "std"))
    channels, smallest = _ARCHITECTURES[architecture]
    learned = None if whitening is None else _learned(path, meta, whitening, scales, channels)
    with torch.random.fork_rng(devices=[]):
        features, pool = _features(architecture), _POOLINGS[pooling]()
        if meta.get("regional"):
            pool = RegionalPooling(pool, nn.Linear(channels, channels))
        local, linear = (
            nn.Linear(channels, channels) if meta.get(key) else None for key in ("local_whitening", "whitening")
        )
    parts = {"features": features, "lwhiten": local, "pool": pool, "whiten": linear}
    network = nn.ModuleDict({key: part for key, part in parts.items() if part is not None})
    fit(network, {key: _scalar(key, value) for key, value in weights.items()}, path, architecture)
    for one in network.modules():
        if isinstance(one, GeM) and not 1 <= one.p.item() <= LARGEST_EXPONENT:
            raise EncoderError(f"{path}: GeM's exponent lies in 1 to {LARGEST_EXPONENT:g}, not {one.p.item():g}")
    return StoredNetwork(channels, smallest, mean, std, features, pool, local, linear, learned)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the network is, and its weights by name."""
    stored = _load(path)
    meta, weights = (stored.get(key) if isinstance(stored, dict) else None for key in ("meta", "state_dict"))
    if not isinstance(meta, dict) or not isinstance(weights, dict):
        raise EncoderError(f"{path}: is no checkpoint of cnnimageretrieval: it has no 'meta' and 'state_dict'")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()):
        raise EncoderError(f"{path}: is no checkpoint of cnnimageretrieval: its 'state_dict' holds more than weights")
    return meta, weights


def _load(path: Path) -> object:
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such checkpoint")
    try:
        with torch.serialization.safe_globals(TORCH_STAND_INS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        # torch would advise to let the file run its code.
        odd = isinstance(error, pickle.UnpicklingError)
        reason = "more than arrays, numbers and text, or torn ones" if odd else first_line(error)
        raise EncoderError(f"{path}: is damaged, or no checkpoint: {reason}") from error


def holds_meta(path: Path) -> bool:
    """Whether a file is what torch saved and says of itself what network it holds, as these checkpoints do.

    Raises:
        EncoderError: if the file is missing or damaged.
    """
    if path.suffix == ".safetensors" and path.is_file():
        return False
    stored = _load(path)
    return isinstance(stored, dict) and "meta" in stored


def _scalar(key: str, value: Tensor) -> Tensor:
    """GeM's exponent, which is stored as a vector of one value, and all else as it is."""
    return value.reshape(()) if key.endswith("pool.p") and value.numel() == 1 else value


def _known(path: Path, meta: dict[str, Any], key: str, known: dict[str, Any]) -> str:
    value = meta.get(key)
    if not isinstance(value, str) or value not in known:
        raise EncoderError(f"{path}: its {key} is {value!r}; those that are known are {', '.join(known)}")
    return value


def _three(path: Path, meta: dict[str, Any], key: str) -> list[float]:
    """The mean or standard deviation of each channel."""
    try:
        values = [float(value) for value in meta.get(key, ())]
    except (TypeError, ValueError):
        values = []
    if len(values) != 3 or not all(map(math.isfinite, values)) or (key == "std" and min(values) <= 0):
        raise EncoderError(f"{path}: its {key} is no three numbers, one a channel: {meta.get(key)!r}")
    return values


def _learned(path: Path, meta: dict[str, Any], name: str, scales: str, channels: int) -> Whitening:
    """A whitening that was learned after the network, in float32 as the network's weights are."""
    learned = meta.get("Lw")
    if not isinstance(learned, dict) or name not in learned:
        known = f"those that it holds are {', '.join(map(str, learned))}" if learned else "it holds none"
        raise EncoderError(f"{path}: holds no whitening {name!r}; {known}")
    try:
        mean, projection = (torch.from_numpy(np.array(learned[name][scales][key], np.float32)) for key in ("m", "P"))
        return Whitening(mean.reshape(channels), projection)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise EncoderError(f"{path}: whitening {name!r} ({scales}) is damaged: {first_line(error)}") from error


def _features(architecture: str) -> nn.Module:
    """The layers up to the last ReLU, numbered."""
    if architecture.startswith("resnet"):
        return nn.Sequential(*residual(architecture).children())
    layers = list(convolutional_part(architecture).get_submodule("features").children())
    if architecture.startswith("densenet"):
        return nn.Sequential(*layers, nn.ReLU(inplace=True))
    return nn.Sequential(*layers[:-1])
