"""Who searches: an encoder with the gallery that it searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from recessive.encoders import Encoder
from recessive.galleries import Gallery


class Sight(Protocol):
    """What a searcher without a network has in place of an encoder: local features, colours, textures."""

    @property
    def name(self) -> str:
        """What people call it by."""
        ...

    def items(self, photo: Tensor) -> Any:  # noqa: ANN401 - whatever its galleries take
        """One photo (3, H, W) to the one item that a gallery of its kind adds and searches."""
        ...


@dataclass(frozen=True)
class Searcher:
    """An encoder with the gallery that it searches.

    Attributes:
        encoder: the encoder, or what does without a network.
        gallery: codes, descriptors or visual words of the searchable photos.
        threshold: T, within which a query returns a photo.
        seen: whether the protection was optimised against this encoder.
    """

    encoder: Encoder | Sight
    gallery: Gallery[Any]
    threshold: float
    seen: bool
