"""Who searches: encoders by name, each with the gallery that it searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from recessive.codes import sign
from recessive.encoders import (
    EncoderError,
    bundled_encoders,
    committed_checkpoints,
    encode,
    load_encoder,
    reference_gallery,
)
from recessive.exposure import Searcher
from recessive.galleries import DenseGallery, HammingGallery
from recessive.workflows.photo_folders import photos_below

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from recessive.encoders import Encoder
    from recessive.galleries import Gallery
    from recessive.photos import PhotoError


def load_bundled(names: Sequence[str]) -> list[Encoder]:
    """Bundled encoders by name: those that have a threshold and stored outputs of other photos.

    Raises:
        EncoderError: an unknown name, or a committed checkpoint, which has neither.
    """
    listed = bundled_encoders()
    for name in names:
        if name in listed:
            continue
        known = ", ".join(listed)
        if name in committed_checkpoints():
            raise EncoderError(
                f"{name} cannot be used here: no threshold and no outputs of other photos are stored for this "
                f"checkpoint; encoders that have them are {known}"
            )
        raise EncoderError(f"no encoder is called {name!r}; there are {known}")
    return [load_encoder(name) for name in names]


def default_surrogates(accepts: frozenset[str]) -> tuple[str, ...]:
    """The bundled encoders that a method optimises against when none are named: all seen ones that it can use."""
    return tuple(e.name for e in bundled_encoders().values() if e.seen and e.outputs in accepts)


def unseen(surrogates: Sequence[str]) -> tuple[str, ...]:
    """Encoders for an honest audit: the reserved ones, or all others where those are optimised against.

    None of them shares its network with a surrogate: the two heads of one network see the same.
    """
    listed = bundled_encoders()
    used = {listed[name].network for name in surrogates}
    others = [entry for entry in listed.values() if entry.network not in used]
    return tuple(e.name for e in others if not e.seen) or tuple(e.name for e in others)


def empty_gallery(encoder: Encoder) -> Gallery[Tensor]:
    """What an encoder's items are searched in."""
    return HammingGallery(encoder.dim) if encoder.outputs == "logits" else DenseGallery(encoder.dim)


def items(encoder: Encoder, outputs: Tensor) -> Tensor:
    """What is stored of an encoder's outputs (N, D): codes of ±1, or the descriptors."""
    return sign(outputs) if encoder.outputs == "logits" else outputs


@torch.no_grad()
def searchers(
    names: Sequence[str],
    seen: Sequence[str],
    folder: Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    complain: Callable[[PhotoError], None] | None = None,
) -> list[Searcher]:
    """Encoders with their galleries.

    Args:
        names: of bundled encoders.
        seen: those of them that the protection was optimised against.
        folder: of photos to search; the bundled reference gallery when None.
        progress: told how many of how many gallery photos are done.
        complain: told of gallery photos that cannot be read; they are left out.

    Raises:
        EncoderError: an unknown name, or a committed checkpoint.
        SettingsError: the folder holds no photo that can be read.
    """
    encoders = load_bundled(names)
    galleries = [empty_gallery(encoder) for encoder in encoders]
    if folder is None:
        for encoder, gallery in zip(encoders, galleries, strict=True):
            gallery.add(reference_gallery(encoder.name))
    else:
        for _, pixels in photos_below(folder, progress=progress, complain=complain):
            for encoder, gallery, output in zip(encoders, galleries, encode(encoders, pixels[None]), strict=True):
                gallery.add(items(encoder, output))
    listed = bundled_encoders()
    return [
        Searcher(encoder, gallery, listed[encoder.name].threshold, encoder.name in seen)
        for encoder, gallery in zip(encoders, galleries, strict=True)
    ]
