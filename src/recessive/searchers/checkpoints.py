"""Hash networks that `recessive train` has made: those that ship with the package, and any checkpoint file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recessive.encoders import Vocabulary, committed_checkpoints, load_checkpoint, load_encoder, read_card
from recessive.searchers.describer import EncoderSettings, SearchEncoder, absolute, describe_by_network
from recessive.searchers.entry import Entry, Family


def _load(settings: EncoderSettings, _: Vocabulary | None) -> SearchEncoder:
    return describe_by_network(settings, load_encoder(settings.encoder))


def _load_file(settings: EncoderSettings, _: Vocabulary | None) -> SearchEncoder:
    network = load_checkpoint(Path(settings.encoder)).network
    network.name = settings.encoder
    return describe_by_network(settings, network)


def _summary(card: Mapping[str, Any]) -> str:
    learned = f", trained by {card['loss']} on {card['data']}" if {"loss", "data"} <= card.keys() else ""
    return f"codes of {card['bits']} bits of a hash network on {card['backbone']}{learned}"


def _listed() -> dict[str, Entry]:
    return {
        name: Entry(name, "checkpoint", _summary(card), "logits", card["bits"], _load, network=name, card=card)
        for name, card in committed_checkpoints().items()
    }


def _find(name: str) -> Entry | None:
    path = absolute(name)
    if path is None:
        return None
    card = read_card(Path(path))
    return Entry(path, "checkpoint file", _summary(card), "logits", card["bits"], _load_file, network=path, card=card)


CHECKPOINTS = Family(
    "FILE",
    _listed,
    _find,
    "codes of a hash network, from any checkpoint file that `recessive train` has written",
)
