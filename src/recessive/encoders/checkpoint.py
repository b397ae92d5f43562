"""Checkpoints: a trained hash network in one safetensors file, with a card that says how to build it and what it is.

Weights are float16, but for what that cannot hold: values beyond 65,504, and the running statistics of batch
normalisation, whose variances may be beyond it or below. The card is JSON in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from recessive.encoders.encoder import EncoderError, Trunk
from recessive.encoders.hash_network import HashNetwork, make_hash_network
from recessive.encoders.networks.backbones import BACKBONES, Backbone, backbone_entry
from recessive.encoders.weight_files import few, first_line, fit, misfit, read_weights
from recessive.files import write_whole

CHECKPOINTS = Path(__file__).parent / "checkpoints"
FORMAT = 1
_SHAPE = ("backbone", "bits", "size", "mean", "std")  # what a network is rebuilt from


@dataclass(frozen=True)
class Checkpoint:
    """A hash network as it was saved, in evaluation mode and without gradients, and its card."""

    network: HashNetwork
    card: dict[str, Any]


def save_checkpoint(path: Path, network: HashNetwork, card: Mapping[str, Any]) -> None:
    """Write a hash network, whole or not at all: until it is complete, an earlier file stays under the name.

    Args:
        path: where to; a file there is replaced.
        network: made by `make_hash_network`; may be in training, on any device.
        card: what is to be known of it, as JSON has it: `backbone` (a key of `BACKBONES`) at least; by custom also
            loss, data, protocol, seed, map. Format, bits, size, mean and std are added.

    Raises:
        EncoderError: the card names no backbone or another one, or is no JSON, or weights are not finite.
        OSError: the file cannot be written.
    """
    card = _completed(network, card)
    stored = _stored(network)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        wanted = _rebuilt(card, path.stem).state_dict()
    problem = misfit(wanted, stored)
    if problem is not None:
        raise EncoderError(
            f"{path}: not saved: the network is no {card['backbone']} as the card says, or broke: {problem}"
        )
    try:
        text = json.dumps(card, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise EncoderError(f"{path}: not saved: the card is no JSON: {error}") from error
    write_whole(path, save(stored, {"card": text}))


def _completed(network: HashNetwork, card: Mapping[str, Any]) -> dict[str, Any]:
    """The card with all that rebuilding needs."""
    trunk = network.trunk
    if not isinstance(trunk, Trunk):
        raise EncoderError("a checkpoint holds a hash network on a Trunk: see make_hash_network")
    mean, std = ([float(str(value)) for value in t.flatten().cpu().numpy()] for t in (trunk.mean, trunk.std))
    known = {"format": FORMAT, "bits": network.dim, "size": trunk.size, "mean": mean, "std": std}
    wrong = [key for key in ("format", "bits", "size") if card.get(key, known[key]) != known[key]]
    if wrong:
        raise EncoderError(f"the card does not fit the network: {wrong[0]} is {known[wrong[0]]}, not {card[wrong[0]]}")
    if card.get("backbone") not in BACKBONES:
        raise EncoderError(f"the card names no backbone: {card.get('backbone')!r}; there are {', '.join(BACKBONES)}")
    return {**card, **known}


def _stored(network: HashNetwork) -> dict[str, Tensor]:
    """Weights and running statistics as they are written, without counters."""
    statistics = {key for key, _ in network.named_buffers()}
    largest = torch.finfo(torch.float16).max
    stored = {}
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            exact = tensor.detach().cpu().float()
            fits = key not in statistics and bool((exact.abs() <= largest).all())
            stored[key] = (exact.half() if fits else exact).contiguous()
    return stored


def _rebuilt(card: Mapping[str, Any], name: str) -> HashNetwork:
    entry = backbone_entry(card["backbone"])
    mean, std = tuple(card["mean"]), tuple(card["std"])
    backbone = Backbone(card["backbone"], entry.channels, card["size"], mean, std, entry.build(), entry.smallest)
    return make_hash_network(name, backbone, card["bits"])


def load_checkpoint(path: Path) -> Checkpoint:
    """A hash network as it was saved, named after its file; nothing is downloaded, no random number is drawn.

    Raises:
        EncoderError: the file is missing, damaged, not a checkpoint, of another format, or its weights are not those
            that its card describes.
    """
    card = read_card(path)
    with torch.random.fork_rng(devices=[]):
        network = _rebuilt(card, path.stem)
    fit(network, read_weights(path), path, f"{card['backbone']} with {card['bits']} bits, as its card says")
    return Checkpoint(network.eval().requires_grad_(requires_grad=False), card)


def read_card(path: Path) -> dict[str, Any]:
    """The card of a checkpoint, without its weights.

    Raises:
        EncoderError: the file is missing, damaged, not a checkpoint, or of another format.
    """
    if not path.is_file():
        raise EncoderError(f"{path}: there is no such checkpoint")
    try:
        with safe_open(path, framework="numpy") as stored:
            text = (stored.metadata() or {}).get("card")
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"{path}: is damaged, or no checkpoint: {first_line(error)}") from error
    if text is None:
        raise EncoderError(f"{path}: is not a checkpoint of ours: it has no card")
    try:
        card = json.loads(text)
    except ValueError as error:
        raise EncoderError(f"{path}: its card is damaged: {error}") from error
    problem = _card_problem(card)
    if problem is not None:
        raise EncoderError(f"{path}: {problem}")
    checked: dict[str, Any] = card
    return checked


def _card_problem(card: object) -> str | None:
    if not isinstance(card, dict):
        return "its card is damaged: it is no JSON object"
    if card.get("format") != FORMAT:
        return f"is of format {card.get('format')!r}; this version reads format {FORMAT}"
    missing = [key for key in _SHAPE if key not in card]
    if missing:
        return f"its card lacks {few(missing)}"
    if not isinstance(card["backbone"], str) or card["backbone"] not in BACKBONES:
        return f"its backbone {card['backbone']!r} is unknown; there are {', '.join(BACKBONES)}"
    if not all(type(card[key]) is int and card[key] > 0 for key in ("bits", "size")):
        return f"its card is damaged: bits and size are {card['bits']!r} and {card['size']!r}"
    return None if _colour(card["mean"]) and _colour(card["std"]) else "its card is damaged: mean and std"


def _colour(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(type(part) in (int, float) for part in value)


def committed_checkpoints() -> dict[str, dict[str, Any]]:
    """Cards of the checkpoints that ship with the package, by name (file stem), in alphabetical order.

    Raises:
        EncoderError: one of them is damaged.
    """
    return {path.stem: read_card(path) for path in sorted(CHECKPOINTS.glob("*.safetensors"))}


def load_committed(name: str) -> Checkpoint:
    """A checkpoint that ships with the package.

    Raises:
        EncoderError: there is none of that name, or it is damaged.
    """
    return load_checkpoint(CHECKPOINTS / f"{name}.safetensors")
