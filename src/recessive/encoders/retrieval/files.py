"""Retrieval networks from files: the public checkpoints of cnnimageretrieval, and weights of well-known networks.

A checkpoint of cnnimageretrieval holds a GeM network that was fine-tuned for landmarks. It is a dictionary that torch
saved: `meta` says what the network is, `state_dict` holds its weights under `features.*` (torchvision's layers numbered
in their order, the last pooling left out), `lwhiten.*`, `pool.*` and `whiten.*`. `meta["Lw"]` may hold whitenings that
were learned afterwards, by the data that they were learned from, for one scale (`ss`) and for several (`ms`): each a
mean `m` (D, 1) and a projection `P` (D, D), arrays of NumPy.

Loading needs the extra `pretrained`. Code in a file does not run, and nothing is downloaded.

Source: Radenović, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recessive.encoders.encoder import EncoderError
from recessive.encoders.heads import MAC, RMAC, GeM, RegionalPooling, SPoC
from recessive.encoders.networks.library import torchvision_backbone
from recessive.encoders.networks.pretrained import recognised_backbone
from recessive.encoders.retrieval.network import (
    LARGEST_EXPONENT,
    LONGEST_SIDE,
    POOLINGS,
    Pooling,
    RetrievalHead,
    RetrievalNetwork,
    RetrievalTrunk,
    check_pooling,
    pooled_network,
)
from recessive.encoders.retrieval.whitening import Whitening
from recessive.encoders.weight_files import first_line, load_weights, read_stored, tensors_by_name

# For each architecture, the channels of its last map and the shortest side that it can see.
ARCHITECTURES = {
    "alexnet": (256, 31),
    **dict.fromkeys(("vgg11", "vgg13", "vgg16", "vgg19"), (512, 16)),
    **dict.fromkeys(("resnet18", "resnet34"), (512, 32)),
    **dict.fromkeys(("resnet50", "resnet101", "resnet152"), (2048, 32)),
    "densenet121": (1024, 32),
    "densenet161": (2208, 32),
    "densenet169": (1664, 32),
    "densenet201": (1920, 32),
}
_POOLS: dict[str, type[nn.Module]] = {"gem": GeM, "mac": MAC, "spoc": SPoC, "rmac": RMAC}


def load_retrieval_network(
    path: Path,
    pooling: Pooling | None = None,
    *,
    scales: Sequence[float] = (1.0,),
    longest_side: int = LONGEST_SIDE,
    whitening: str | None = None,
) -> RetrievalNetwork:
    """Load a retrieval network from a checkpoint of cnnimageretrieval, or from the weights of a well-known network.

    The exponent of GeM and a whitening layer are those that a checkpoint's network was trained with; GeM has p = 3 for
    plain weights. No random number is drawn.

    Args:
        path: a checkpoint, or a file of weights, see `recognised_backbone`.
        pooling: the pooling of the last feature map, which must be a checkpoint's own; if None, that or GeM.
        scales: the factors of the sides: (1.0,), or `THREE_SCALES`.
        longest_side: the side in pixels to which larger photos are shrunk.
        whitening: the data that a whitening of the checkpoint was learned from after the network, such as
            "retrieval-SfM-120k", to apply that whitening. Checkpoints hold one for a single scale and one for several.

    Returns:
        A network named after the file, in evaluation mode and with frozen weights.

    Raises:
        EncoderError: if the file is missing, damaged or neither of both, if a checkpoint is of an unknown architecture
            or pooling, has another pooling or not that whitening, if its weights do not fit, if the library is not
            installed, or if the scales or the limit are impossible.
    """
    if pooling is not None:
        check_pooling(pooling)
    stored = read_stored(path)
    if whitening is None and not (isinstance(stored, dict) and "meta" in stored):
        backbone = recognised_backbone(tensors_by_name(stored, path), path)
        pool = POOLINGS[pooling or "gem"]()
        return pooled_network(path.stem, backbone, pool, scales=scales, longest_side=longest_side)
    network = _cnnimageretrieval(stored, path, scales, longest_side, whitening)
    stored_pool = network.head.pool
    kind = type(stored_pool.rpool if isinstance(stored_pool, RegionalPooling) else stored_pool)
    own = next(name for name, one in POOLINGS.items() if one is kind)
    if pooling not in (None, own):
        raise EncoderError(f"pools by {own}, not by {pooling}; use {own}:{path}", path)
    return network


def _cnnimageretrieval(
    stored: object, path: Path, scales: Sequence[float], longest_side: int, whitening: str | None
) -> RetrievalNetwork:
    meta, weights = (stored.get(key) if isinstance(stored, dict) else None for key in ("meta", "state_dict"))
    if not isinstance(meta, dict) or not isinstance(weights, dict):
        raise EncoderError("is no checkpoint of cnnimageretrieval: it has no 'meta' and 'state_dict'", path)
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()):
        raise EncoderError("is no checkpoint of cnnimageretrieval: its 'state_dict' holds more than weights", path)
    architecture = _known(path, meta, "architecture", ARCHITECTURES)
    pooling = _known(path, meta, "pooling", _POOLS)
    mean, std = (_three(path, meta, key) for key in ("mean", "std"))
    channels, smallest = ARCHITECTURES[architecture]
    learned = (
        None if whitening is None else _learned(path, meta, whitening, "ms" if len(scales) > 1 else "ss", channels)
    )
    with torch.random.fork_rng(devices=[]):
        features, pool = numbered_layers(architecture), _POOLS[pooling]()
        if meta.get("regional"):
            pool = RegionalPooling(pool, nn.Linear(channels, channels))
        local, linear = (
            nn.Linear(channels, channels) if meta.get(key) else None for key in ("local_whitening", "whitening")
        )
    parts = {"features": features, "lwhiten": local, "pool": pool, "whiten": linear}
    network = nn.ModuleDict({key: part for key, part in parts.items() if part is not None})
    load_weights(network, {key: _scalar(key, value) for key, value in weights.items()}, path, architecture)
    for one in network.modules():
        if isinstance(one, GeM) and not 1 <= one.p.item() <= LARGEST_EXPONENT:
            raise EncoderError(f"GeM's exponent lies in 1 to {LARGEST_EXPONENT:g}, not {one.p.item():g}", path)
    trunk = RetrievalTrunk(features, smallest, mean, std, longest_side=longest_side, scales=scales)
    head = RetrievalHead(channels, pool, local=local, linear=linear, whitening=learned)
    return RetrievalNetwork(path.stem, trunk, head).eval().requires_grad_(requires_grad=False)


def _scalar(key: str, value: Tensor) -> Tensor:
    """GeM's exponent, which is stored as a vector of one value, as a scalar; everything else as it is."""
    return value.reshape(()) if key.endswith("pool.p") and value.numel() == 1 else value


def _known(path: Path, meta: dict[str, Any], key: str, known: dict[str, Any]) -> str:
    value = meta.get(key)
    if not isinstance(value, str) or value not in known:
        raise EncoderError(f"its {key} is {value!r}; known are {', '.join(known)}", path)
    return value


def _three(path: Path, meta: dict[str, Any], key: str) -> list[float]:
    """The mean or standard deviation of each channel."""
    try:
        values = [float(value) for value in meta.get(key, ())]
    except (TypeError, ValueError):
        values = []
    if len(values) != 3 or not all(map(math.isfinite, values)) or (key == "std" and min(values) <= 0):
        raise EncoderError(f"its {key} is not three numbers, one per channel: {meta.get(key)!r}", path)
    return values


def _learned(path: Path, meta: dict[str, Any], name: str, scales: str, channels: int) -> Whitening:
    """A whitening that was learned after the network, in float32 as the network's weights are."""
    learned = meta.get("Lw")
    if not isinstance(learned, dict) or name not in learned:
        known = f"it holds {', '.join(map(str, learned))}" if learned else "it holds none"
        raise EncoderError(f"holds no whitening {name!r}; {known}", path)
    try:
        mean, projection = (torch.from_numpy(np.array(learned[name][scales][key], np.float32)) for key in ("m", "P"))
        return Whitening(mean.reshape(channels), projection)
    except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise EncoderError(f"whitening {name!r} ({scales}) is damaged: {first_line(error)}", path) from error


def numbered_layers(architecture: str) -> nn.Module:
    """The layers of a torchvision network up to the last ReLU, numbered as the public checkpoints have them."""
    network = torchvision_backbone(architecture)
    if architecture.startswith("resnet"):
        return nn.Sequential(*network.children())
    layers = list(network.get_submodule("features").children())
    if architecture.startswith("densenet"):
        return nn.Sequential(*layers, nn.ReLU(inplace=True))
    return nn.Sequential(*layers[:-1])
