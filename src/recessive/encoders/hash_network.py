"""Hash networks, and their checkpoints: a backbone below a layer whose signs are the bits of a code.

A checkpoint is one safetensors file: the weights, and a card in the file's metadata, which is JSON and says how the
network is rebuilt and how it was trained. Weights are float16, except for what that cannot hold: values beyond 65,504,
and the running statistics of batch normalisation, whose variances may be too large or too small for it.
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
from torch import Tensor, nn

from recessive.encoders.encoder import Encoder, EncoderError, Trunk
from recessive.encoders.heads import HashLayer
from recessive.encoders.networks.backbones import BACKBONES, Backbone, backbone_entry
from recessive.encoders.weight_files import abbreviated, first_line, load_weights, mismatch, read_weights
from recessive.files import write_whole

CHECKPOINTS = Path(__file__).parent / "checkpoints"
FORMAT = 1
_SHAPE = ("backbone", "bits", "size", "mean", "std")  # what a network is rebuilt from


class HashNetwork(Encoder):
    """An encoder whose outputs are the logits of a code: sign(HashLayer(trunk(x))).

    Args:
        name: the name in reports.
        trunk: photos (N, 3, H, W) to a feature map (N, C, h, w) or features (N, C).
        channels: C.
        bits: the length of the code.
    """

    def __init__(self, name: str, trunk: nn.Module, channels: int, bits: int) -> None:
        super().__init__(name, trunk, HashLayer(channels, bits), bits, "logits")


def make_hash_network(name: str, backbone: Backbone, bits: int) -> HashNetwork:
    """Build a hash network on a backbone, with random weights of the hash layer from torch's global generator.

    Args:
        name: the name in reports.
        backbone: the backbone, which is shared, not copied.
        bits: the length of the code.

    Raises:
        EncoderError: if `bits` is below 1.
    """
    if bits < 1:
        raise EncoderError(f"a code has at least one bit: {bits}")
    trunk = Trunk(backbone.module, backbone.size, backbone.mean, backbone.std)
    return HashNetwork(name, trunk, backbone.channels, bits)


@dataclass(frozen=True)
class Checkpoint:
    """A hash network as it was saved, in evaluation mode and with frozen weights, and its card."""

    network: HashNetwork
    card: dict[str, Any]


def save_checkpoint(path: Path, network: HashNetwork, card: Mapping[str, Any]) -> None:
    """Write a hash network to a file, whole or not at all; an earlier file of that name stays until it is complete.

    Args:
        path: the file, which is replaced if it exists.
        network: a network of `make_hash_network`, on any device; it may be in training.
        card: what is to be known of the network, as JSON: at least `backbone`, a key of `BACKBONES`, and by convention
            loss, data, protocol, seed and map. Format, bits, size, mean and std are added.

    Raises:
        EncoderError: if the card names no backbone or another one, or is no JSON, or weights are not finite.
        OSError: if the file cannot be written.
    """
    card = _completed(network, card)
    stored = _stored(network)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        expected = _rebuilt(card, path.stem).state_dict()
    problem = mismatch(expected, stored)
    if problem is not None:
        raise EncoderError(
            f"not saved: the network is no {card['backbone']} as the card says, or is broken: {problem}", path
        )
    try:
        text = json.dumps(card, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise EncoderError(f"not saved: the card is no JSON: {error}", path) from error
    write_whole(path, save(stored, {"card": text}))


def _completed(network: HashNetwork, card: Mapping[str, Any]) -> dict[str, Any]:
    """The card with everything that rebuilding needs."""
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
    """Load a hash network, named after its file. Nothing is downloaded, and no random number is drawn.

    Raises:
        EncoderError: if the file is missing, damaged, not a checkpoint, or of another format, or if its weights are not
            those that its card describes.
    """
    card = read_card(path)
    with torch.random.fork_rng(devices=[]):
        network = _rebuilt(card, path.stem)
    load_weights(network, read_weights(path), path, f"{card['backbone']} with {card['bits']} bits, as its card says")
    return Checkpoint(network.eval().requires_grad_(requires_grad=False), card)


def read_card(path: Path) -> dict[str, Any]:
    """Read the card of a checkpoint without its weights.

    Raises:
        EncoderError: if the file is missing, damaged, not a checkpoint, or of another format.
    """
    if not path.is_file():
        raise EncoderError("there is no such checkpoint", path)
    try:
        with safe_open(path, framework="numpy") as stored:
            text = (stored.metadata() or {}).get("card")
    except (SafetensorError, OSError) as error:
        raise EncoderError(f"is damaged, or no checkpoint: {first_line(error)}", path) from error
    if text is None:
        raise EncoderError("is no checkpoint of `recessive train`: it has no card", path)
    try:
        card = json.loads(text)
    except ValueError as error:
        raise EncoderError(f"its card is damaged: {error}", path) from error
    problem = _card_problem(card)
    if problem is not None:
        raise EncoderError(problem, path)
    checked: dict[str, Any] = card
    return checked


def _card_problem(card: object) -> str | None:
    if not isinstance(card, dict):
        return "its card is damaged: it is no JSON object"
    if card.get("format") != FORMAT:
        return f"is of format {card.get('format')!r}; this version reads format {FORMAT}"
    missing = [key for key in _SHAPE if key not in card]
    if missing:
        return f"its card lacks {abbreviated(missing)}"
    if not isinstance(card["backbone"], str) or card["backbone"] not in BACKBONES:
        return f"its backbone {card['backbone']!r} is unknown; there are {', '.join(BACKBONES)}"
    if not all(type(card[key]) is int and card[key] > 0 for key in ("bits", "size")):
        return f"its card is damaged: bits and size are {card['bits']!r} and {card['size']!r}"
    colours = all(
        isinstance(card[key], list) and len(card[key]) == 3 and all(type(part) in (int, float) for part in card[key])
        for key in ("mean", "std")
    )
    return None if colours else "its card is damaged: mean and std"


def committed_checkpoints() -> dict[str, dict[str, Any]]:
    """The cards of the checkpoints that ship with the package, by name (file stem), in alphabetical order.

    Raises:
        EncoderError: if one of them is damaged.
    """
    return {path.stem: read_card(path) for path in sorted(CHECKPOINTS.glob("*.safetensors"))}


def load_committed(name: str) -> Checkpoint:
    """Load a checkpoint that ships with the package.

    Raises:
        EncoderError: if there is none of that name, or it is damaged.
    """
    return load_checkpoint(CHECKPOINTS / f"{name}.safetensors")
