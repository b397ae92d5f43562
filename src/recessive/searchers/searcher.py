"""Searchers at work: a describer with the gallery that it searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recessive.encoders import Encoder, encode
from recessive.errors import PhotoError
from recessive.galleries import Gallery
from recessive.photos.folders import photos_below
from recessive.searchers.describer import SearchEncoder, items
from recessive.searchers.features import HANDCRAFTED
from recessive.searchers.reference_set import MOST_FOR_A_THRESHOLD, find_threshold, reference_items
from recessive.searchers.registry import entries, find


@dataclass(frozen=True)
class Searcher:
    """Who searches: an encoder, or hand-crafted features, with a gallery.

    Attributes:
        encoder: what describes photos.
        gallery: the codes, descriptors or visual words of the searchable photos.
        threshold: T, the distance within which a query returns a photo.
        seen: whether the protection was optimised against it.
        note: what limits its verdict, in a sentence; empty when nothing does.
    """

    encoder: Encoder | SearchEncoder
    gallery: Gallery[Any]
    threshold: float
    seen: bool
    note: str = ""


@torch.no_grad()
def searchers(
    names: Sequence[str],
    seen: Sequence[str],
    folder: Path | None = None,
    *,
    thresholds: dict[str, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[PhotoError], None] | None = None,
) -> list[Searcher]:
    """Load searchers with their galleries.

    Args:
        names: anything that the registry knows.
        seen: those of them that the protection was optimised against.
        folder: the folder of photos to search; the stored galleries, or the reference set, when None.
        thresholds: by name, for searchers that come without one; otherwise they are found on the gallery's photos.
        progress: called with (photos read, photos in total) while the folder is read.
        on_error: called with the error of each gallery photo that cannot be read; those are left out.

    Raises:
        SearcherError: if a searcher is unknown.
        EncoderError: if its weights are missing or damaged.
        SettingsError: if the folder holds no photo that can be read.
    """
    found = [find(name) for name in names]
    describers = [entry.describer() for entry in found]
    known = dict(thresholds or {})
    if folder is None:
        galleries, notes = [], []
        for entry, describer in zip(found, describers, strict=True):
            gallery = describer.gallery()
            if entry.stored is not None:
                gallery.add(entry.stored.gallery())
                notes.append("")
            else:
                made = reference_items(describer)
                gallery.add(made.gallery())
                known.setdefault(entry.name, made.threshold)
                notes.append(
                    f"{entry.name} searched {len(gallery)} stand-in pictures, which are no photos; give --gallery DIR "
                    "for a verdict that counts"
                )
            galleries.append(gallery)
    else:
        galleries = [describer.gallery() for describer in describers]
        notes = [""] * len(found)
        unknown = [
            each
            for each, entry in zip(describers, found, strict=True)
            if entry.stored is None and entry.name not in known
        ]
        some = _fill(describers, galleries, folder, keep=bool(unknown), progress=progress, on_error=on_error)
        known |= {describer.name: find_threshold(describer, some) for describer in unknown}
    return [
        Searcher(
            describer if describer.network is None else describer.network,
            gallery,
            entry.stored.threshold if entry.stored else known[entry.name],
            name in seen or entry.name in seen,
            note,
        )
        for name, entry, describer, gallery, note in zip(names, found, describers, galleries, notes, strict=True)
    ]


def _fill(
    describers: Sequence[SearchEncoder],
    galleries: Sequence[Gallery[Any]],
    folder: Path,
    *,
    keep: bool,
    progress: Callable[[int, int], None] | None,
    on_error: Callable[[PhotoError], None] | None,
) -> list[Tensor]:
    """Describe a folder's photos into galleries, each network once; gives the first photos where they are kept."""
    networks = [describer.network for describer in describers if describer.network is not None]
    some: list[Tensor] = []
    for _, pixels in photos_below(folder, progress=progress, on_error=on_error):
        outputs = iter(encode(networks, pixels[None]))
        for describer, gallery in zip(describers, galleries, strict=True):
            if describer.network is None:
                gallery.add(describer.items(pixels))
            else:
                gallery.add(items(describer.network, next(outputs)))
        if keep and len(some) < MOST_FOR_A_THRESHOLD:
            some.append(pixels)
    return some


def default_searchers(
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    on_error: Callable[[PhotoError], None] | None = None,
) -> dict[str, Searcher]:
    """The bundled encoders and `HANDCRAFTED` by name, with a folder that is read once for many protections.

    Args:
        folder: the folder of photos to search.
        progress: as for `searchers`.
        on_error: as for `searchers`.

    Raises:
        SettingsError: if the folder holds no photo that can be read.
    """
    names = (*(name for name, entry in entries().items() if entry.seen is not None), *HANDCRAFTED)
    return dict(zip(names, searchers(names, (), folder, progress=progress, on_error=on_error), strict=True))
