"""Who searches: encoders by name, each with the gallery that it searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from recessive.encoders import (
    Encoder,
    EncoderError,
    bundled_encoders,
    committed_checkpoints,
    descriptor_gallery,
    descriptor_thresholds,
    encode,
    load_encoder,
    reference_gallery,
    words_gallery,
)
from recessive.photos import PhotoError
from recessive.photos.folders import photos_below
from recessive.searchers.describers import SearchEncoder, items, kind_of, search_encoder
from recessive.searchers.searcher import Searcher
from recessive.searchers.settings import EncoderSettings

DESCRIPTORS = ("bovw-he", "cedd", "gist")
"""Local and global search, which no network does, and which every audit asks."""


def check_bundled(names: Sequence[str]) -> None:
    """Refuse what is no bundled encoder: only those have a threshold and stored outputs of other photos.

    Raises:
        EncoderError: an unknown name, or a committed checkpoint, which has neither.
    """
    listed = bundled_encoders()
    for name in names:
        if name in listed:
            continue
        if name in DESCRIPTORS:
            raise EncoderError(
                f"{name} passes no gradient to optimise against. Every audit asks it anyway, and `recessive methods` "
                f"lists the methods that work against it in their own way. Encoders: {', '.join(listed)}"
            )
        known = ", ".join(listed)
        if name in committed_checkpoints():
            raise EncoderError(
                f"{name} cannot be used here: no threshold and no outputs of other photos are stored for this "
                f"checkpoint; encoders that have them are {known}"
            )
        raise EncoderError(f"no encoder is called {name!r}; there are {known}")


def load_bundled(names: Sequence[str]) -> list[Encoder]:
    """Bundled encoders by name.

    Raises:
        EncoderError: as `check_bundled`.
    """
    check_bundled(names)
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


def descriptor(name: str) -> SearchEncoder:
    """One of `DESCRIPTORS`, ready to describe."""
    return search_encoder(EncoderSettings(name))


def reference_items(name: str) -> Any:  # noqa: ANN401 - whatever its gallery takes
    """What one of `DESCRIPTORS` gives for the photos of the bundled reference gallery."""
    return words_gallery() if name == "bovw-he" else descriptor_gallery("cedd" if name == "cedd" else "gist")


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
        names: of bundled encoders, and of `DESCRIPTORS`.
        seen: those of them that the protection was optimised against.
        folder: of photos to search; the bundled reference galleries when None.
        progress: told how many of how many gallery photos are done.
        complain: told of gallery photos that cannot be read; they are left out.

    Raises:
        EncoderError: an unknown name, or a committed checkpoint.
        SettingsError: the folder holds no photo that can be read.
    """
    sights = {name: descriptor(name) for name in names if name in DESCRIPTORS}
    encoders = load_bundled([name for name in names if name not in sights])
    galleries = {encoder.name: kind_of(encoder).empty() for encoder in encoders}
    galleries |= {name: sight.gallery() for name, sight in sights.items()}
    if folder is None:
        for name, gallery in galleries.items():
            gallery.add(reference_items(name) if name in sights else reference_gallery(name))
    else:
        for _, pixels in photos_below(folder, progress=progress, on_error=complain):
            for encoder, output in zip(encoders, encode(encoders, pixels[None]), strict=True):
                galleries[encoder.name].add(items(encoder, output))
            for name, sight in sights.items():
                galleries[name].add(sight.items(pixels))
    known = {encoder.name: encoder for encoder in encoders} | sights
    thresholds = {name: entry.threshold for name, entry in bundled_encoders().items()} | descriptor_thresholds()
    return [Searcher(known[name], galleries[name], thresholds[name], name in seen) for name in names]


def everybody(
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    complain: Callable[[PhotoError], None] | None = None,
) -> dict[str, Searcher]:
    """All bundled encoders and `DESCRIPTORS` by name, with a folder that is read once for many protections.

    Args:
        folder: of photos to search.
        progress: as for `searchers`.
        complain: likewise.

    Raises:
        SettingsError: the folder holds no photo that can be read.
    """
    names = (*bundled_encoders(), *DESCRIPTORS)
    return dict(zip(names, searchers(names, (), folder, progress=progress, complain=complain), strict=True))
