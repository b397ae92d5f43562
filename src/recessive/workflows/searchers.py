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
from recessive.photos import PhotoError, format_of_path, read_photo
from recessive.workflows.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from recessive.encoders import Encoder
    from recessive.galleries import Gallery


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


def photo_files(folder: Path) -> list[Path]:
    """All photos below a folder, by their suffix, in the order of their paths.

    Raises:
        SettingsError: it is not a folder, or there is no photo in it.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder}: is not a folder; a gallery is a folder of photos")
    files = sorted(file for file in folder.rglob("*") if format_of_path(file) is not None and file.is_file())
    if not files:
        raise SettingsError(f"{folder}: holds no photos; a gallery is a folder of photos")
    return files


def _empty(encoder: Encoder) -> Gallery:
    return HammingGallery(encoder.dim) if encoder.outputs == "logits" else DenseGallery(encoder.dim)


def _items(encoder: Encoder, outputs: Tensor) -> Tensor:
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
    galleries = [_empty(encoder) for encoder in encoders]
    if folder is None:
        for encoder, gallery in zip(encoders, galleries, strict=True):
            gallery.add(reference_gallery(encoder.name))
    else:
        files = photo_files(folder)
        for done, file in enumerate(files, 1):
            try:
                outputs = encode(encoders, read_photo(file).pixels[None])
            except PhotoError as error:
                if complain is not None:
                    complain(error)
                continue
            for encoder, gallery, output in zip(encoders, galleries, outputs, strict=True):
                gallery.add(_items(encoder, output))
            if progress is not None:
                progress(done, len(files))
        if encoders and not len(galleries[0]):
            raise SettingsError(f"{folder}: holds no photo that can be read")
    listed = bundled_encoders()
    return [
        Searcher(encoder, gallery, listed[encoder.name].threshold, encoder.name in seen)
        for encoder, gallery in zip(encoders, galleries, strict=True)
    ]
