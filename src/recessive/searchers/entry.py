"""Entries of the registry of searchers: what is known of a searcher before it is loaded, and what it can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from recessive.encoders import EncoderError, Outputs, Vocabulary
from recessive.errors import SettingsError
from recessive.searchers.describer import EncoderSettings, SearchEncoder


class SearcherError(EncoderError, SettingsError):
    """A searcher is unknown, or cannot do what is asked of it. The message says what to choose instead."""


@dataclass(frozen=True)
class Stored:
    """What ships with a searcher, so that photos can be protected and audited without photos of one's own.

    Attributes:
        threshold: T, the distance within which a search returns a photo.
        gallery: gives the items of the bundled reference gallery, which no method ever sees.
        sample: gives the owner's sample (S, D), items of other photos that methods may learn from; None without one.
    """

    threshold: float
    gallery: Callable[[], Any]
    sample: Callable[[], Tensor] | None = None


@dataclass(frozen=True)
class Entry:
    """A searcher with its capabilities.

    Attributes:
        name: what people type; a path in it is absolute.
        family: a word for its kind.
        summary: what it is, in one line.
        outputs: descriptor, logits (whose signs are a code), or keypoints (local features, as visual words).
        dim: the length of the descriptor or code; None where only loading tells, and for keypoints.
        load: gives the describer for the settings, and for a vocabulary that replaces the one that they name.
        gradients: whether a gradient reaches the photo, so that a method can optimise against it.
        network: names the network; searchers of one network see the same, so one cannot bear witness for the other.
        seen: whether protection optimises against it by default (True), or never does, so that it can bear witness
            (False); None for searchers that are used only when they are named.
        stored: threshold, gallery and sample that ship with it; None where `reference_set` has to make them.
        options: which of words, vocabulary and scales it takes.
        card: how it was trained and what it reaches, as JSON.
    """

    name: str
    family: str
    summary: str
    outputs: Outputs | Literal["keypoints"]
    dim: int | None
    load: Callable[[EncoderSettings, Vocabulary | None], SearchEncoder]
    gradients: bool = True
    network: str = ""
    seen: bool | None = None
    stored: Stored | None = None
    options: frozenset[str] = frozenset()
    card: Mapping[str, Any] = field(default_factory=dict)

    def describer(self) -> SearchEncoder:
        """The describer with the default options."""
        return self.load(EncoderSettings(self.name), None)

    def capabilities(self) -> dict[str, Any]:
        """What the searcher is and can do, as JSON. Without stored photos the reference set has to serve."""
        return {
            "name": self.name,
            "family": self.family,
            "summary": self.summary,
            "outputs": self.outputs,
            "dim": self.dim,
            "gradients": self.gradients,
            "seen": self.seen,
            "threshold": self.stored.threshold if self.stored else None,
            "sample": "stored" if self.stored and self.stored.sample else "reference" if self.gradients else None,
            "gallery": "stored" if self.stored else "reference",
        }


@dataclass(frozen=True)
class Family:
    """Searchers of one kind.

    Attributes:
        usage: how people name its members that are not listed, such as gem:NETWORK; empty when all are listed.
        listed: gives the members that have names of their own, by name.
        find: the entry of a name that is not listed; None when the name is none of this family.
        summary: what the members that are not listed are, for messages and listings; empty when all are listed.
    """

    usage: str
    listed: Callable[[], Mapping[str, Entry]]
    find: Callable[[str], Entry | None] = lambda _: None
    summary: str = ""
