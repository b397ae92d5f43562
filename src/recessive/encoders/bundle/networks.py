"""The encoders that ship with the package: compact, trained by us, clearly different from each other.

Each network has one trunk and two heads: a descriptor (`conv-gem`) and a 64-bit code (`conv-hash`). One
network is reserved as *unseen*: nothing optimises against it by default, and every audit asks it. How they were
trained, and what they reach, stands in the model card beside the weights. The reference gallery holds what each of
them gives for several thousand training photos: descriptors and codes, no photos.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from recessive.codes import unpack
from recessive.encoders.checkpoint import committed_checkpoints, load_committed
from recessive.encoders.encoder import Encoder, EncoderError, Outputs, Trunk
from recessive.encoders.gem import PartedHead
from recessive.encoders.networks import Convolutional, Depthwise, Transformer
from recessive.encoders.networks.backbones import BUNDLE

LAST_DIM, CLASS_DIM = 256, 19
BITS = 64
SIZE = 160
NETWORKS = {"conv": Convolutional, "depthwise": Depthwise, "transformer": Transformer}
UNSEEN = "depthwise"
# Of the class part's length: the higher, the less a photo of no known class has of it.
CLASS_EXPONENTS = {"conv": 1.0, "depthwise": 1.5, "transformer": 1.5}
_HEADS: dict[str, Outputs] = {"gem": "descriptor", "hash": "logits"}


@dataclass(frozen=True)
class BundledEncoder:
    """What is known of a bundled encoder before its weights are read.

    Attributes:
        name: network and head, such as `conv-gem`.
        network: a key of `NETWORKS`.
        outputs: descriptor or logits.
        dim: length of the descriptor, or bits of the code.
        seen: whether it is optimised against by default; False for the reserved one.
        threshold: T at which a search has its best F1 on held-out photos: cosine or Hamming distance.
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
        size: side in pixels to which photos are resized inside.
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
def bundled_encoders() -> dict[str, BundledEncoder]:
    """All bundled encoders by name, without reading their weights."""
    listed = {}
    for network in NETWORKS:
        card = json.loads((BUNDLE / f"{network}.json").read_text(encoding="utf-8"))
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
    try:
        return bundled_encoders()[name]
    except KeyError:
        committed = committed_checkpoints()
        if name in committed:
            raise EncoderError(
                f"{name} is a checkpoint without stored outputs of other photos; those that have them are "
                f"{', '.join(bundled_encoders())}"
            ) from None
        known = ", ".join([*bundled_encoders(), *committed])
        raise EncoderError(f"no encoder is called {name!r}; there are {known}") from None


@cache
def load_encoder(name: str) -> Encoder:
    """A bundled encoder, or a committed checkpoint, by name.

    Raises:
        EncoderError: no encoder has that name; the message lists those that there are.
    """
    if name in committed_checkpoints():
        return load_committed(name).network
    entry = _entry(name)
    return _network(entry.network).encoder(name, entry.outputs)


@cache
def _stored_items(name: str) -> Tensor:
    """What a bundled encoder gives for all stored training photos: (S, dim), descriptors or codes of ±1."""
    entry = _entry(name)
    with safe_open(BUNDLE / f"{entry.network}-gallery.safetensors", framework="pt") as stored:
        items: Tensor = stored.get_tensor(name)
    if entry.outputs == "logits":
        return unpack(items, entry.dim).float()
    return F.normalize(items.float())


def owners_sample(name: str) -> Tensor:
    """The half of the stored items that methods may use as owner's sample: (S, dim).

    Raises:
        EncoderError: no encoder has that name.
    """
    return _stored_items(name)[0::2]


def reference_gallery(name: str) -> Tensor:
    """The other half: the gallery that audits search when they are given none, never shown to a method: (S, dim).

    Raises:
        EncoderError: no encoder has that name.
    """
    return _stored_items(name)[1::2]
