"""Which encoder is to describe photos for a search, from the text of `--encoder` and the options beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from recessive.encoders import BACKBONES, CEDD, GIST, Describer, Pooling, bundled_encoders, committed_checkpoints
from recessive.errors import SettingsError
from recessive.galleries.inverted_file import Scoring

SCORINGS: dict[str, Scoring] = {"bovw": "words", "bovw-he": "hamming", "bovw-burst": "burstiness"}
"""Bags of words, and how each is searched."""

POOLINGS: dict[str, Pooling] = {name: name for name in get_args(Pooling)}
"""Of networks that see photos at their own size, such as `gem:conv`."""

VECTORS: dict[str, tuple[Callable[[], Describer], str]] = {
    "cedd": (CEDD, "tanimoto"),
    "gist": (GIST, "euclidean"),
    "gist-colour": (partial(GIST, colour=True), "euclidean"),
}
"""Descriptors that nothing was trained for, and by which measure each is compared."""


@dataclass(frozen=True)
class EncoderSettings:
    """An encoder as it was asked for, and as an index remembers it.

    Attributes:
        encoder: its name; a path in it is absolute.
        words: size of the vocabulary that is trained on the indexed photos themselves; None for one that is there.
        vocabulary: absolute path of a vocabulary; None for the bundled one, or where there is none.
        scales: sides of the photo that a network sees it at, times that of the photo.
    """

    encoder: str
    words: int | None = None
    vocabulary: str | None = None
    scales: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As a card has it."""
        return {**asdict(self), "scales": None if self.scales is None else list(self.scales)}

    @classmethod
    def of_json(cls, card: dict[str, Any]) -> EncoderSettings:
        """From a card."""
        return cls(**{**card, "scales": None if card["scales"] is None else tuple(card["scales"])})

    def __str__(self) -> str:
        """As a command line has it."""
        options = [] if self.words is None else [f"--words {self.words}"]
        options += [] if self.vocabulary is None else [f"--vocabulary {self.vocabulary}"]
        options += [] if self.scales is None else [f"--scales {' '.join(f'{scale:g}' for scale in self.scales)}"]
        return " ".join([self.encoder, *options])


def encoder_settings(
    encoder: str, *, words: int | None = None, vocabulary: Path | None = None, scales: Sequence[float] | None = None
) -> EncoderSettings:
    """What is asked for, checked before anything is read.

    Args:
        encoder: see `known_encoders`; paths may be relative.
        words: for a bag of words, see `EncoderSettings`.
        vocabulary: for a bag of words; a file.
        scales: for networks at the photo's own size.

    Raises:
        SettingsError: an unknown encoder, or options that do not fit it; the message lists what there is.
    """
    pooling, separated, network = encoder.partition(":")
    if encoder not in SCORINGS and (words is not None or vocabulary is not None):
        raise SettingsError(f"--words and --vocabulary are for {', '.join(SCORINGS)}, not for {encoder}")
    if words is not None and vocabulary is not None:
        raise SettingsError("a vocabulary is trained (--words) or read (--vocabulary), not both")
    if words is not None and words < 1:
        raise SettingsError(f"--words {words}: a vocabulary has at least one word")
    if scales is not None and not (separated and pooling in POOLINGS):
        raise SettingsError(f"--scales is for {', '.join(f'{name}:NETWORK' for name in POOLINGS)}, not for {encoder}")
    if scales is not None and not (scales and all(0 < scale <= 4 and math.isfinite(scale) for scale in scales)):
        raise SettingsError("--scales are sides of a photo times its own: 1 0.7071 0.5; each above 0, at most 4")
    asked = None if vocabulary is None else str(vocabulary.absolute())
    sides = None if scales is None else tuple(map(float, scales))
    return EncoderSettings(_found(encoder, pooling if separated else "", network), words, asked, sides)


def _found(encoder: str, pooling: str, network: str) -> str:
    """The encoder's name with its path made absolute.

    Raises:
        SettingsError: there is none.
    """
    if pooling in POOLINGS:
        if network in BACKBONES:
            return encoder
        if Path(network).is_file():
            return f"{pooling}:{Path(network).absolute()}"
        raise SettingsError(f"{encoder}: no network or file is called {network!r}; networks are {', '.join(BACKBONES)}")
    if encoder in VECTORS or encoder in SCORINGS or encoder in bundled_encoders() or encoder in committed_checkpoints():
        return encoder
    if Path(encoder).is_file():
        return str(Path(encoder).absolute())
    raise SettingsError(f"no encoder or file is called {encoder!r}; there are {known_encoders()}")


def known_encoders() -> str:
    """All that `--encoder` takes, for a message."""
    pooled = ", ".join(f"{pooling}:NETWORK" for pooling in POOLINGS)
    alone = ", ".join([*SCORINGS, *VECTORS, *bundled_encoders(), *committed_checkpoints()])
    return (
        f"{alone}; {pooled} with a network of {', '.join(BACKBONES)}, or a checkpoint of cnnimageretrieval; or the "
        "checkpoint of a hash network"
    )
