"""What ships with the package: encoders, and what they and other searchers give for several thousand photos.

Three compact networks, trained by `scripts/train_encoders.py` and clearly different from each other, have one trunk and
two heads each: a descriptor (such as `conv-gem`) and a 64-bit code (`conv-hash`). One network is reserved as *unseen*:
nothing optimises against it by default, and every audit asks it. How a network was trained and what it reaches is
written in the model card beside its weights.

For each encoder, and for bags of words, CEDD and GIST (`scripts/train_vocabulary.py`), there are stored outputs for
training photos, not the photos themselves. One part is the *owner's sample*, which methods may use; the other is the
*reference gallery*, which audits search if they are given none and which no method ever sees. Thresholds are those of
the best F1 on held-out photos.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from recessive.codes import unpack
from recessive.encoders.encoder import Encoder, EncoderError, Outputs, Trunk
from recessive.encoders.features.cedd import CEDD
from recessive.encoders.hash_network import committed_checkpoints, load_committed
from recessive.encoders.heads import PartedHead
from recessive.encoders.networks.backbones import BUNDLE
from recessive.encoders.networks.compact import Convolutional, Depthwise, Transformer
from recessive.visual_words import VisualWords

LAST_DIM, CLASS_DIM = 256, 19
BITS = 64
SIZE = 160
NETWORKS = {"conv": Convolutional, "depthwise": Depthwise, "transformer": Transformer}
UNSEEN = "depthwise"
# Exponents of the length of the class part: the higher, the less a photo of no known class has of it.
CLASS_EXPONENTS = {"conv": 1.0, "depthwise": 1.5, "transformer": 1.5}
_HEADS: dict[str, Outputs] = {"gem": "descriptor", "hash": "logits"}


@dataclass(frozen=True)
class BundledEncoder:
    """What is known of a bundled encoder before its weights are read.

    Attributes:
        name: network and head, such as `conv-gem`.
        network: a key of `NETWORKS`.
        outputs: descriptor or logits.
        dim: the length of the descriptor, or the bits of the code.
        seen: whether methods optimise against it by default; False for the reserved network.
        threshold: T at which a search has its best F1 on held-out photos: a cosine or Hamming distance.
        card: how it was trained and what it reaches.
    """

    name: str
    network: str
    outputs: Outputs
    dim: int
    seen: bool
    threshold: float
    card: dict[str, Any]


class BundledNetwork(nn.Module):
    """One trunk with both heads, as stored: the logits are a linear map of the descriptor.

    Args:
        name: a key of `NETWORKS`.
        size: the side in pixels to which photos are resized.
    """

    def __init__(self, name: str, size: int = SIZE) -> None:
        super().__init__()
        backbone = NETWORKS[name]()
        early, last = backbone.early_channels, backbone.channels
        self.trunk = Trunk(backbone, size)
        # Colours and edges; what the teacher taught; what the labels taught.
        parts = [(0, early, early, 0.0), (1, last, LAST_DIM, 0.0), (1, last, CLASS_DIM, CLASS_EXPONENTS[name])]
        self.descriptor = PartedHead(parts)
        self.bits = nn.Linear(self.descriptor.dim, BITS)

    def encoder(self, name: str, outputs: Outputs) -> Encoder:
        """The network with one of its heads."""
        if outputs == "descriptor":
            return Encoder(name, self.trunk, self.descriptor, self.descriptor.dim, outputs).eval()
        return Encoder(name, self.trunk, nn.Sequential(self.descriptor, self.bits), BITS, outputs).eval()


@cache
def _card(name: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((BUNDLE / f"{name}.json").read_text(encoding="utf-8"))
    return card


@cache
def bundled_encoders() -> dict[str, BundledEncoder]:
    """All bundled encoders by name, without reading their weights."""
    listed = {}
    for network in NETWORKS:
        card = _card(network)
        for head, outputs in _HEADS.items():
            name = f"{network}-{head}"
            dim = card["descriptor_dim"] if outputs == "descriptor" else BITS
            threshold = float(card["thresholds"][name])
            listed[name] = BundledEncoder(name, network, outputs, dim, network != UNSEEN, threshold, card)
    return listed


@cache
def _network(name: str) -> BundledNetwork:
    """A network with its weights, in evaluation mode; read once a process, so that its encoders share the trunk."""
    network = BundledNetwork(name)
    network.load_state_dict(load_file(BUNDLE / f"{name}.safetensors"))
    return network.eval().requires_grad_(requires_grad=False)


def _entry(name: str) -> BundledEncoder:
    if name in bundled_encoders():
        return bundled_encoders()[name]
    bundled, committed = ", ".join(bundled_encoders()), committed_checkpoints()
    if name in committed:
        raise EncoderError(
            f"{name} is a checkpoint without stored outputs of other photos; those that have some are {bundled}"
        )
    raise EncoderError(f"no encoder is called {name!r}; there are {', '.join([bundled, *committed])}")


@cache
def load_encoder(name: str) -> Encoder:
    """Load a bundled encoder, or a committed checkpoint, by name.

    Raises:
        EncoderError: if no encoder has that name; the message lists all names.
    """
    if name in committed_checkpoints():
        return load_committed(name).network
    entry = _entry(name)
    return _network(entry.network).encoder(name, entry.outputs)


@cache
def _stored_items(name: str) -> Tensor:
    """The outputs of a bundled encoder for all stored training photos: (S, dim), descriptors or codes of ±1."""
    entry = _entry(name)
    with safe_open(BUNDLE / f"{entry.network}-gallery.safetensors", framework="pt") as stored:
        items: Tensor = stored.get_tensor(name)
    return unpack(items, entry.dim).float() if entry.outputs == "logits" else F.normalize(items.float())


def owners_sample(name: str) -> Tensor:
    """The half of a bundled encoder's stored outputs that methods may use as the owner's sample: (S, dim).

    Raises:
        EncoderError: if no bundled encoder has that name.
    """
    return _stored_items(name)[0::2]


def reference_gallery(name: str) -> Tensor:
    """The other half: the gallery that audits search if they are given none, never shown to a method: (S, dim).

    Raises:
        EncoderError: if no bundled encoder has that name.
    """
    return _stored_items(name)[1::2]


@cache
def _stored_features() -> dict[str, Tensor]:
    stored: dict[str, Tensor] = load_file(BUNDLE / "descriptors-gallery.safetensors")
    stored["cedd"] = CEDD.unpack(stored["cedd"])
    stored["gist"] = stored["gist"].float() * stored["gist_unit"]
    return stored


def descriptor_thresholds() -> dict[str, float]:
    """T within which `bovw-he`, `cedd` and `gist` return a photo: best F1 when searching with another view of it."""
    return {name: float(threshold) for name, threshold in _card("descriptors")["thresholds"].items()}


def descriptor_gallery(name: Literal["cedd", "gist"]) -> Tensor:
    """The reference gallery of CEDD or GIST, never shown to a method: (1000, D)."""
    return _stored_features()[name][: _card("descriptors")["gallery"]]


def descriptor_sample(name: Literal["cedd", "gist"]) -> Tensor:
    """Descriptors of other photos than those of the gallery, which methods may use: (400, D)."""
    return _stored_features()[name][_card("descriptors")["gallery"] :]


def words_gallery() -> list[VisualWords]:
    """The reference gallery in the words of `bundled_vocabulary`, one entry per photo."""
    stored = _stored_features()
    counts: list[int] = stored["counts"].tolist()
    words, signatures = stored["words"].int().split(counts), stored["signatures"].split(counts)
    return [VisualWords(w.numpy(), s.numpy()) for w, s in zip(words, signatures, strict=True)]
