"""What describes photos for a search: networks, visual words, CEDD, GIST; each with the gallery that searches them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recessive.codes import sign
from recessive.datasets import Box, cut_out
from recessive.encoders import (
    BACKBONES,
    MAC,
    RMAC,
    BagOfWords,
    Encoder,
    GeM,
    RegionalPooling,
    SPoC,
    Vocabulary,
    bundled_encoders,
    bundled_vocabulary,
    committed_checkpoints,
    load_checkpoint,
    load_cnnimageretrieval,
    load_encoder,
    make_retrieval_network,
)
from recessive.errors import SettingsError
from recessive.files import digest
from recessive.galleries import Gallery
from recessive.galleries.index_file import IndexFile, IndexFileError
from recessive.galleries.kinds import GalleryKind, OfCodes, OfDescriptors, OfWords
from recessive.searchers.settings import POOLINGS, SCORINGS, VECTORS, EncoderSettings
from recessive.visual_words import VisualWords


@dataclass(frozen=True, eq=False)
class SearchEncoder:
    """What describes photos, and the kind of gallery that searches them.

    Attributes:
        settings: as it was asked for.
        digest: of its weights or vocabulary and all constants; whatever has the same digest describes alike.
        kind: of gallery.
        see: one photo (3, H, W), or the box of it, to its descriptor or code (D,) or its visual words.
        vocabulary: of visual words; None for other encoders.
    """

    settings: EncoderSettings
    digest: str
    kind: GalleryKind[Any]
    see: Callable[[Tensor, Box | None], Tensor | VisualWords]
    vocabulary: Vocabulary | None = None

    @property
    def name(self) -> str:
        """As on the command line."""
        return self.settings.encoder

    def describe(self, photo: Tensor, box: Box | None = None) -> Tensor | VisualWords:
        """One photo (3, H, W) at its own size: a descriptor or a code of ±1 (D,), or visual words.

        Args:
            photo: RGB in [0, 1].
            box: only this part of it, in whole pixels.

        Raises:
            DataError: nothing of the photo lies in the box.
            ValueError: what is found is no item of its kind, such as a descriptor without length.
        """
        with torch.no_grad():
            item = self.see(photo, box)
        self.gallery().add(self.kind.batch([item]))  # refuses what it could not search
        return item

    def items(self, photo: Tensor) -> Any:  # noqa: ANN401 - whatever galleries of its kind take
        """One photo (3, H, W) as its galleries search for it."""
        return self.kind.batch([self.describe(photo)])

    def gallery(self) -> Gallery[Any]:
        """An empty gallery of its kind."""
        return self.kind.empty()


def items(encoder: Encoder, outputs: Tensor) -> Tensor:
    """What is stored of an encoder's outputs (N, D): codes of ±1, or the descriptors."""
    return sign(outputs) if encoder.outputs == "logits" else outputs


def kind_of(encoder: Encoder) -> GalleryKind[Any]:
    """The kind of gallery that an encoder's items are searched in."""
    return OfCodes(encoder.dim) if encoder.outputs == "logits" else OfDescriptors(encoder.dim)


def search_encoder(settings: EncoderSettings, vocabulary: Vocabulary | None = None) -> SearchEncoder:
    """The encoder that settings ask for, ready to describe.

    Args:
        settings: checked by `encoder_settings`, or from the card of an index.
        vocabulary: for a bag of words, in place of the file or the bundled one.

    Raises:
        EncoderError: weights or a vocabulary are missing or damaged.
    """
    name = settings.encoder
    if name in SCORINGS:
        return _bag_of_words(settings, vocabulary)
    if name in VECTORS:
        return _vector(settings)
    pooling, _, network = name.partition(":")
    if pooling in POOLINGS:
        return _pooled(settings, pooling, network)
    known = name in bundled_encoders() or name in committed_checkpoints()
    return _network(settings, load_encoder(name) if known else load_checkpoint(Path(name)).network)


def _bag_of_words(settings: EncoderSettings, vocabulary: Vocabulary | None) -> SearchEncoder:
    if vocabulary is None:
        vocabulary = bundled_vocabulary() if settings.vocabulary is None else Vocabulary.load(Path(settings.vocabulary))
    bag = BagOfWords(vocabulary)
    kind = OfWords(len(vocabulary), SCORINGS[settings.encoder])

    def see(photo: Tensor, box: Box | None) -> VisualWords:
        return bag.describe(_part(photo, box))

    return SearchEncoder(settings, _digest(bag.digest, repr(kind)), kind, see, vocabulary)


def _vector(settings: EncoderSettings) -> SearchEncoder:
    make, measure = VECTORS[settings.encoder]
    describer = make()
    kind = OfDescriptors(describer.dim, measure)

    def see(photo: Tensor, box: Box | None) -> Tensor:
        return describer(_part(photo, box)[None])[0]

    return SearchEncoder(settings, _digest(settings.encoder, repr(kind)), kind, see)


def _network(settings: EncoderSettings, encoder: Encoder) -> SearchEncoder:
    kind = kind_of(encoder)
    sees = f"{getattr(encoder.trunk, 'size', None)}"

    def see(photo: Tensor, box: Box | None) -> Tensor:
        return items(encoder, encoder(_part(photo, box)[None]))[0]

    return SearchEncoder(settings, _digest(_weights(encoder), sees, repr(kind)), kind, see)


def _pooled(settings: EncoderSettings, pooling: str, network: str) -> SearchEncoder:
    """A network at the photo's own size: one of ours by name, or a public checkpoint.

    Raises:
        SettingsError: the checkpoint has another pooling.
    """
    scales = settings.scales or (1.0,)
    if network in BACKBONES:
        encoder = make_retrieval_network(network, POOLINGS[pooling], pretrained=True, scales=scales)
    else:
        encoder = load_cnnimageretrieval(Path(network), scales=scales)
        pool = encoder.head.pool
        pools = {GeM: "gem", MAC: "mac", SPoC: "spoc", RMAC: "r-mac"}
        named = pools[type(pool.rpool if isinstance(pool, RegionalPooling) else pool)]
        if named != pooling:
            raise SettingsError(f"{network} does not pool by {pooling}; name it {named}:{network}")
    kind = OfDescriptors(encoder.dim)
    sees = f"{pooling} {encoder.trunk.longest_side} {scales}"
    return SearchEncoder(settings, _digest(_weights(encoder), sees, repr(kind)), kind, encoder.describe)


def _part(photo: Tensor, box: Box | None) -> Tensor:
    return photo if box is None else cut_out(photo, box, "the photo")


def _weights(network: nn.Module) -> str:
    """SHA-256 over all weights and constants of a network in their order, each with its shape."""
    total = hashlib.sha256()
    for tensor in chain(network.parameters(), network.buffers()):
        total.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _digest(*parts: str) -> str:
    return digest(*(part.encode() for part in parts))


def vocabulary_arrays(vocabulary: Vocabulary | None) -> dict[str, NDArray[Any]]:
    """A vocabulary as an index holds it."""
    return {} if vocabulary is None else {name: tensor.numpy() for name, tensor in vocabulary.tensors().items()}


def stored_vocabulary(path: Path, index: IndexFile) -> Vocabulary | None:
    """The vocabulary that an index read from a path holds; None where its encoder has none.

    Raises:
        IndexFileError: it is damaged.
    """
    if not index.vocabulary:
        return None
    try:
        return Vocabulary.from_tensors({name: torch.from_numpy(array) for name, array in index.vocabulary.items()})
    except ValueError as error:
        raise IndexFileError(f"{path}: is damaged: its vocabulary: {error}") from error
