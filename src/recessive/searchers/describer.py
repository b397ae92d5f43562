"""What describes photos for a search: an encoder, visual words, CEDD or GIST, with the kind of its gallery."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recessive.codes import sign
from recessive.datasets import Box, cut_out
from recessive.encoders import Encoder, Vocabulary
from recessive.files import digest
from recessive.galleries import Gallery
from recessive.galleries.index_file import IndexFile, IndexFileError
from recessive.galleries.kinds import GalleryKind, OfCodes, OfDescriptors
from recessive.visual_words import VisualWords


@dataclass(frozen=True)
class EncoderSettings:
    """A searcher's name with its options, as the card of an index stores it.

    Attributes:
        encoder: the name; a path in it is absolute.
        words: the size of a vocabulary that is trained on the indexed photos; None for an existing vocabulary.
        vocabulary: the absolute path of a vocabulary; None for the bundled one, and for searchers without one.
        scales: the sides at which a network sees a photo, as multiples of the photo's own.
    """

    encoder: str
    words: int | None = None
    vocabulary: str | None = None
    scales: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON stores them."""
        return {**asdict(self), "scales": None if self.scales is None else list(self.scales)}

    @classmethod
    def of_json(cls, card: Mapping[str, Any]) -> EncoderSettings:
        """The settings that `to_json` has stored."""
        return cls(**{**card, "scales": None if card["scales"] is None else tuple(card["scales"])})

    def __str__(self) -> str:
        """The settings as they are typed on the command line."""
        options = [] if self.words is None else [f"--words {self.words}"]
        options += [] if self.vocabulary is None else [f"--vocabulary {self.vocabulary}"]
        options += [] if self.scales is None else [f"--scales {' '.join(f'{scale:g}' for scale in self.scales)}"]
        return " ".join([self.encoder, *options])


@dataclass(frozen=True, eq=False)
class SearchEncoder:
    """A loaded describer of photos, and the kind of gallery that searches what it gives.

    Attributes:
        settings: its name and options.
        identity: gives the texts that tell it from others: a digest of weights or vocabulary, and all constants.
        kind: the kind of gallery.
        describe_part: maps one photo (3, H, W), or the box of it, to a descriptor or code (D,) or to visual words.
        network: the differentiable encoder behind it; None for hand-crafted features.
        vocabulary: the visual vocabulary; None for other describers.
    """

    settings: EncoderSettings
    identity: Callable[[], tuple[str, ...]]
    kind: GalleryKind[Any]
    describe_part: Callable[[Tensor, Box | None], Tensor | VisualWords]
    network: Encoder | None = None
    vocabulary: Vocabulary | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 over `identity`, computed when it is first asked for. Describers with the same digest agree."""
        return digest(*(text.encode() for text in self.identity()))

    @property
    def name(self) -> str:
        """The name as it is typed on the command line."""
        return self.settings.encoder

    def describe(self, photo: Tensor, box: Box | None = None) -> Tensor | VisualWords:
        """Describe one photo (3, H, W) at its own size: a descriptor or a code of ±1 (D,), or visual words.

        Args:
            photo: RGB in [0, 1].
            box: describe only this part of the photo, in whole pixels.

        Raises:
            DataError: if the box contains nothing of the photo.
            ValueError: if the result cannot be searched, such as a descriptor of length zero.
        """
        with torch.no_grad():
            item = self.describe_part(photo, box)
        self.gallery().add(self.kind.batch([item]))  # refuses what it could not search
        return item

    def items(self, photo: Tensor) -> Any:  # noqa: ANN401 - whatever galleries of its kind take
        """One photo (3, H, W) as a query for the galleries of this kind."""
        return self.kind.batch([self.describe(photo)])

    def gallery(self) -> Gallery[Any]:
        """An empty gallery of this kind."""
        return self.kind.empty()


def items(encoder: Encoder, outputs: Tensor) -> Tensor:
    """What galleries store of an encoder's outputs (N, D): codes of ±1, or the descriptors themselves."""
    return sign(outputs) if encoder.outputs == "logits" else outputs


def gallery_kind(encoder: Encoder) -> GalleryKind[Any]:
    """The kind of gallery that searches an encoder's items."""
    return OfCodes(encoder.dim) if encoder.outputs == "logits" else OfDescriptors(encoder.dim)


def describe_by_network(settings: EncoderSettings, encoder: Encoder) -> SearchEncoder:
    """A network that sees every photo at one size, as a describer."""
    kind = gallery_kind(encoder)

    def describe_part(photo: Tensor, box: Box | None) -> Tensor:
        return items(encoder, encoder(part(photo, box)[None]))[0]

    def identity() -> tuple[str, ...]:
        return weights_digest(encoder), f"{getattr(encoder.trunk, 'size', None)}", repr(kind)

    return SearchEncoder(settings, identity, kind, describe_part, encoder)


def part(photo: Tensor, box: Box | None) -> Tensor:
    """The photo (3, H, W), or the box of it."""
    return photo if box is None else cut_out(photo, box, "the photo")


def weights_digest(network: nn.Module) -> str:
    """SHA-256 over all weights and constants of a network in their order, each with its shape."""
    total = hashlib.sha256()
    for tensor in chain(network.parameters(), network.buffers()):
        total.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def checked_scales(scales: Sequence[float]) -> tuple[float, ...] | None:
    """Scales as numbers; None when one of them cannot be used."""
    usable = scales and all(0 < scale <= 4 and math.isfinite(scale) for scale in scales)
    return tuple(map(float, scales)) if usable else None


def absolute(path: str) -> str | None:
    """The absolute path of an existing file; None when there is no such file."""
    return str(Path(path).absolute()) if Path(path).is_file() else None


def vocabulary_arrays(vocabulary: Vocabulary | None) -> dict[str, NDArray[Any]]:
    """A visual vocabulary as an index file stores it; empty without one."""
    return {} if vocabulary is None else {name: tensor.numpy() for name, tensor in vocabulary.tensors().items()}


def stored_vocabulary(path: Path, index: IndexFile) -> Vocabulary | None:
    """The visual vocabulary of an index file; None for a searcher without one.

    Raises:
        IndexFileError: if it is damaged.
    """
    if not index.vocabulary:
        return None
    try:
        return Vocabulary.from_tensors({name: torch.from_numpy(array) for name, array in index.vocabulary.items()})
    except ValueError as error:
        raise IndexFileError(f"{path}: is damaged: its vocabulary: {error}") from error
