"""What the owner is shown of the verdict: what an encoder looks at, and what a search returns, before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from recessive.encoders import Encoder
from recessive.exposure import FIRST_RESULTS, describe
from recessive.exposure.heat_map import heat_maps
from recessive.galleries import Gallery
from recessive.photos import part_within
from recessive.searchers.searcher import Searcher
from recessive.transforms.grid import shrink

Kind = Literal["photo", "part", "other"]
Box = tuple[float, float, float, float]

_GRID = 640  # pixels on the long side of what parts and heat maps are made from
_SIDE = 0.6  # of a part, of the photo's
_MIRROR: Box = (0.0, 0.0, 1.0, 1.0)
_PLACES: tuple[Box, ...] = tuple(
    (left * (1 - _SIDE), top * (1 - _SIDE), _SIDE, _SIDE) for top in (0.0, 0.5, 1.0) for left in (0.0, 0.5, 1.0)
)


@dataclass(frozen=True)
class Heat:
    """What the encoder looks at, see `heat_maps`: rows from the top, values in [0, 1] on one scale.

    Attributes:
        before: of the original.
        after: of the protected photo.
    """

    before: tuple[tuple[float, ...], ...]
    after: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Result:
    """One result of a search.

    Attributes:
        rank: from 1.
        kind: "photo" is the upload itself, "part" another picture of the same motif, "other" a photo of the gallery.
        box: of a part, in the original: left, top, width and height as fractions of its sides; None otherwise.
        mirrored: the part is turned left to right.
        distance: from the query, in bits, or of the cosine.
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
        photos: how many were searched, the upload included.
        rank_before: of the upload when it is the original.
        rank_after: of the upload when it is the protected photo.
        before: the first ten results when the original was uploaded.
        after: the first ten results when the protected photo was.
    """

    photos: int
    rank_before: int
    rank_after: int
    before: tuple[Result, ...]
    after: tuple[Result, ...]


@dataclass(frozen=True)
class Insight:
    """How one encoder sees a photo before and after. No pixels of either are in it.

    Attributes:
        encoder: its name.
        heat: what it looks at.
        search: what it finds.
    """

    encoder: str
    heat: Heat
    search: Search


def explain(original: Tensor, protected: Tensor, searchers: Sequence[Searcher]) -> Insight:
    """Show what one of the searchers sees: of the networks one with a descriptor that was optimised against, if any.

    A searcher may hold other pictures of the same motif. Parts of the original and its mirror image stand for them:
    they are searched among the gallery's photos, and the heat maps show what the upload has in common with them. Ties
    go against the owner.

    Args:
        original: (3, H, W) in [0, 1].
        protected: of the same size, as re-read from its file.
        searchers: as for an audit; the first network with a descriptor that was seen is taken, else the first with a
            descriptor, else the first network. Its gallery stays as it is.

    Raises:
        ValueError: sizes differ, or no searcher has a network.
    """
    if original.shape != protected.shape:
        raise ValueError(f"one photo before and after: {tuple(original.shape)} and {tuple(protected.shape)}")
    encoder, searcher = _chosen(searchers)
    photos = torch.cat([shrink(photo[None], _GRID) for photo in (original, protected)])
    with torch.no_grad():
        query, upload = (describe([searcher], photo)[0] for photo in (original, protected))  # as the audit sees them
        motif = torch.cat([describe([searcher], view)[0] for view in (photos[0].flip(-1), *_parts(photos[0]))])
    before, after = heat_maps(encoder, photos, motif).tolist()
    return Insight(
        encoder.name, Heat(_rounded(before), _rounded(after)), _search(searcher.gallery, query, upload, motif)
    )


def _chosen(searchers: Sequence[Searcher]) -> tuple[Encoder, Searcher]:
    networks = [(each.encoder, each) for each in searchers if isinstance(each.encoder, Encoder)]
    if not networks:
        raise ValueError("an insight needs a searcher with a network")
    descriptors = [pair for pair in networks if pair[0].outputs == "descriptor"]
    return [*(pair for pair in descriptors if pair[1].seen), *descriptors, *networks][0]


def _parts(photo: Tensor) -> list[Tensor]:
    """The parts of a photo that `_PLACES` lists."""
    _, height, width = photo.shape
    edges = ((x * width, y * height, (x + w) * width, (y + h) * height) for x, y, w, h in _PLACES)
    return [part_within(photo, edge) for edge in edges]


def _rounded(heat: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(value, 4) for value in row) for row in heat)


def _search(gallery: Gallery[Any], query: Tensor, upload: Tensor, motif: Tensor) -> Search:
    """Search with the query; `motif` holds the mirror image and the parts."""
    parts = gallery.between(query.expand_as(motif), motif).tolist()
    boxes = [(_MIRROR, True), *((box, False) for box in _PLACES)]
    found: list[tuple[float, Kind, Box | None, bool]] = [
        (float(distance), "part", box, mirrored) for distance, (box, mirrored) in zip(parts, boxes, strict=True)
    ]
    nearest = gallery.search(query, FIRST_RESULTS).distances[0].tolist()
    found += [(float(distance), "other", None, False) for distance in nearest]
    found.sort(key=lambda each: each[0])  # stable: parts come before others as far away

    def upload_at(distance: float) -> tuple[int, tuple[Result, ...]]:
        """The upload's rank, and the first results."""
        below = math.nextafter(distance, -math.inf)
        others = int(gallery.count_within(query, below)[0]) if below >= 0 else 0
        rank = 1 + others + sum(part < distance for part in parts)
        itself: tuple[float, Kind, Box | None, bool] = (distance, "photo", None, False)
        listed = [*found[: rank - 1], itself, *found[rank - 1 :]][:FIRST_RESULTS]
        return rank, tuple(
            Result(place, kind, box, mirrored, round(far, 5))
            for place, (far, kind, box, mirrored) in enumerate(listed, 1)
        )

    rank_before, before = upload_at(0.0)
    rank_after, after = upload_at(float(gallery.between(query, upload)[0]))
    return Search(len(gallery) + len(parts) + 1, rank_before, rank_after, before, after)
