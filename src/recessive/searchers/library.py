"""Pretrained networks of timm and torchvision by their own names, with their own preprocessing: `timm:resnet50`."""

from __future__ import annotations

from recessive.encoders import Vocabulary, library_encoder
from recessive.searchers.describer import EncoderSettings, SearchEncoder, describe_by_network
from recessive.searchers.entry import Entry, Family

_LIBRARIES = ("timm", "torchvision")


def _load(settings: EncoderSettings, _: Vocabulary | None) -> SearchEncoder:
    return describe_by_network(settings, library_encoder(settings.encoder))


def _find(name: str) -> Entry | None:
    library, separated, network = name.partition(":")
    if library not in _LIBRARIES or not separated:
        return None
    return Entry(name, library, f"{network} of {library}, pretrained", "descriptor", None, _load, network=name)


LIBRARY = Family(
    ", ".join(f"{library}:NETWORK" for library in _LIBRARIES),
    dict,
    _find,
    "descriptors of a pretrained network of that library, which is downloaded the first time",
)
