"""Why a verdict is as it is: what an encoder looks at, and what a search returns, before and after protection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from recessive.encoders import Encoder
from recessive.exposure import FIRST_RESULTS, describe, rank_at
from recessive.exposure.heat_map import heat_maps
from recessive.galleries import Gallery
from recessive.photos import part_within
from recessive.searchers import Searcher
from recessive.transforms.transform import shrink

Kind = Literal["photo", "part", "other"]
Box = tuple[float, float, float, float]

_GRID = 640  # pixels on the long side of the photos that parts and heat maps are made from
_SIDE = 0.6  # of a part, relative to the photo
_WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_PLACES: tuple[Box, ...] = tuple(
    (left * (1 - _SIDE), top * (1 - _SIDE), _SIDE, _SIDE) for top in (0.0, 0.5, 1.0) for left in (0.0, 0.5, 1.0)
)


@dataclass(frozen=True)
class Heat:
    """Where the encoder recognises the motif, see `heat_maps`: rows from the top, values in [0, 1] on one scale.

    Attributes:
        before: the map of the original.
        after: the map of the protected photo.
    """

    before: tuple[tuple[float, ...], ...]
    after: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Result:
    """One result of a search.

    Attributes:
        rank: 1 for the nearest photo.
        kind: "photo" is the upload itself, "part" another picture of the same motif, "other" a photo of the gallery.
        box: the place of a part in the original: left, top, width and height as fractions of its sides; else None.
        mirrored: whether the part is flipped left to right.
        distance: the distance to the query, in bits or as cosine distance.
    """

    rank: int
    kind: Kind
    box: Box | None
    mirrored: bool
    distance: float


@dataclass(frozen=True)
class Search:
    """Searches with the original among a gallery, other pictures of the motif, and the upload.

    Attributes:
        photos: the number of photos that were searched, including the upload.
        rank_before: the rank of the upload if it is the original.
        rank_after: the rank of the upload if it is the protected photo.
        before: the first ten results if the original was uploaded.
        after: the first ten results if the protected photo was uploaded.
    """

    photos: int
    rank_before: int
    rank_after: int
    before: tuple[Result, ...]
    after: tuple[Result, ...]


@dataclass(frozen=True)
class Insight:
    """What one encoder makes of a photo before and after protection. It contains no pixels of either.

    Attributes:
        encoder: the name of the encoder.
        heat: what the encoder looks at.
        search: what the encoder finds.
    """

    encoder: str
    heat: Heat
    search: Search


def explain(original: Tensor, protected: Tensor, searchers: Sequence[Searcher]) -> Insight:
    """Explain the verdict by one of the searchers.

    A searcher may hold other pictures of the same motif. Parts of the original and its mirror image stand in for them:
    they are searched along with the gallery, and the heat maps show what the upload has in common with them. Ties count
    as found.

    Args:
        original: (3, H, W) in [0, 1].
        protected: the protected photo as read from its file, of the same size.
        searchers: as for an audit. The first network with a descriptor that was optimised against is explained, else
            the first with a descriptor, else the first network. Its gallery is not changed.

    Raises:
        ValueError: if sizes differ, or no searcher has a network.
    """
    if original.shape != protected.shape:
        raise ValueError(f"the photos differ in size: {tuple(original.shape)} and {tuple(protected.shape)}")
    encoder, searcher = _chosen(searchers)
    photos = torch.cat([shrink(photo[None], _GRID) for photo in (original, protected)])
    with torch.no_grad():
        query, upload = (describe([searcher], photo)[0] for photo in (original, protected))  # as the audit sees them
        motif = torch.cat([describe([searcher], view)[0] for view in (photos[0].flip(-1), *_parts(photos[0]))])
    before, after = heat_maps(encoder, photos, motif).tolist()
    found = _search(searcher.gallery, query, upload, motif)
    return Insight(encoder.name, Heat(_rounded(before), _rounded(after)), found)


def _chosen(searchers: Sequence[Searcher]) -> tuple[Encoder, Searcher]:
    networks = [(each.encoder, each) for each in searchers if isinstance(each.encoder, Encoder)]
    if not networks:
        raise ValueError("an insight needs a searcher with a network")
    descriptors = [pair for pair in networks if pair[0].outputs == "descriptor"]
    return [*(pair for pair in descriptors if pair[1].seen), *descriptors, *networks][0]


def _parts(photo: Tensor) -> list[Tensor]:
    """Cut out the parts in `_PLACES`."""
    _, height, width = photo.shape
    edges = ((x * width, y * height, (x + w) * width, (y + h) * height) for x, y, w, h in _PLACES)
    return [part_within(photo, edge) for edge in edges]


def _rounded(heat: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(value, 4) for value in row) for row in heat)


def _search(gallery: Gallery[Any], query: Tensor, upload: Tensor, motif: Tensor) -> Search:
    """Search with the query among the gallery, the mirror image and parts in `motif`, and either upload."""
    parts = gallery.between(query.expand_as(motif), motif).tolist()
    views = [(_WHOLE, True), *((box, False) for box in _PLACES)]
    found = [Result(0, "part", box, mirrored, float(far)) for far, (box, mirrored) in zip(parts, views, strict=True)]
    nearest = gallery.search(query, FIRST_RESULTS).distances[0].tolist()
    found += [Result(0, "other", None, mirrored=False, distance=float(far)) for far in nearest]
    found.sort(key=lambda result: result.distance)  # stable: parts come before others at the same distance

    def with_upload(distance: float) -> tuple[int, tuple[Result, ...]]:
        """The rank of an upload at a distance, and the first results."""
        rank = rank_at(gallery, query, distance) + sum(part < distance for part in parts)
        itself = Result(rank, "photo", None, mirrored=False, distance=distance)
        first = [*found[: rank - 1], itself, *found[rank - 1 :]][:FIRST_RESULTS]
        return rank, tuple(replace(r, rank=i, distance=round(r.distance, 5)) for i, r in enumerate(first, 1))

    rank_before, before = with_upload(0.0)
    rank_after, after = with_upload(float(gallery.between(query, upload)[0]))
    return Search(len(gallery) + len(parts) + 1, rank_before, rank_after, before, after)
