"""Networks that see a photo at its own shape and size and pool their last map: `gem:resnet-50`, `mac:FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from recessive.encoders import BACKBONES, Pooling, Vocabulary, load_retrieval_network, make_retrieval_network
from recessive.galleries.kinds import OfDescriptors
from recessive.searchers.describer import EncoderSettings, SearchEncoder, absolute, weights_digest
from recessive.searchers.entry import Entry, Family, SearcherError

POOLINGS: dict[str, Pooling] = {name: name for name in get_args(Pooling)}


def _load(settings: EncoderSettings, __: Vocabulary | None) -> SearchEncoder:
    """Load a network of ours by its name, or weights from a file.

    Raises:
        EncoderError: if the weights are missing, damaged, or of another pooling.
    """
    pooling, _, network = settings.encoder.partition(":")
    scales = settings.scales or (1.0,)
    if network in BACKBONES:
        encoder = make_retrieval_network(network, POOLINGS[pooling], pretrained=True, scales=scales)
    else:
        encoder = load_retrieval_network(Path(network), POOLINGS[pooling], scales=scales)
    encoder.name = settings.encoder
    kind = OfDescriptors(encoder.dim)

    def identity() -> tuple[str, ...]:
        return weights_digest(encoder), f"{pooling} {encoder.trunk.longest_side} {scales}", repr(kind)

    return SearchEncoder(settings, identity, kind, encoder.describe, encoder)


def _find(name: str) -> Entry | None:
    pooling, separated, network = name.partition(":")
    if not separated or pooling not in POOLINGS:
        return None
    backbone = BACKBONES.get(network)
    path = None if backbone else absolute(network)
    if backbone is None and path is None:
        known = ", ".join(BACKBONES)
        raise SearcherError(f"{name}: no network or file is called {network!r}; the networks are {known}")
    return Entry(
        name=f"{pooling}:{path or network}",
        family="retrieval",
        summary=f"{pooling} pooling of {network} at the photo's own size",
        outputs="descriptor",
        dim=backbone.channels if backbone else None,
        load=_load,
        network=path or network,
        options=frozenset({"scales"}),
    )


RETRIEVAL = Family(
    ", ".join(f"{pooling}:NETWORK" for pooling in POOLINGS),
    dict,
    _find,
    f"descriptors of a network at the photo's own size; NETWORK is one of {', '.join(BACKBONES)}, or a file of weights",
)
