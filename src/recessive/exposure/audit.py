"""The audit: can a search with the original still find the protected photo?

For each encoder, the gallery and the protected photo are searched with the original as the query. Ties count as found:
a gallery photo at the same distance does not hide the protected one.

`expected_queries` summarizes many audits: how many searches it takes, on average, until a protected photo is returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recessive.encoders import Encoder, encode
from recessive.galleries import Gallery
from recessive.searchers import Searcher, items

FIRST_RESULTS = 10
"""A photo that is not among the first ten results counts as hidden."""


@dataclass(frozen=True)
class EncoderAudit:
    """What one searcher finds.

    Attributes:
        name: the name of the encoder.
        seen: whether the protection was optimised against it.
        distance_before: the distance of the original to itself: 0.
        distance_after: the distance of the original to the protected photo, in bits or as cosine distance.
        rank_before: the rank at which the original finds the unprotected photo: 1.
        rank_after: the rank at which the original finds the protected photo.
        found_by_before: the number of gallery photos that return the unprotected photo within T.
        found_by_after: the number of gallery photos that return the protected photo within T.
        threshold: T.
        gallery_photos: the number of photos in the gallery.
        hidden: whether `rank_after` is beyond the first ten results, or the photos have no visual words in common.
        survives: for each requested transform, whether the photo stays hidden after it.
    """

    name: str
    seen: bool
    distance_before: float
    distance_after: float
    rank_before: int
    rank_after: int
    found_by_before: int
    found_by_after: int
    threshold: float
    gallery_photos: int
    hidden: bool
    survives: dict[str, bool]


@dataclass(frozen=True)
class Audit:
    """What all searchers find, and the verdict.

    Attributes:
        encoders: one entry per searcher.
        gallery_photos: the number of photos in the gallery of the first searcher; the bundled galleries differ.
        hidden: whether the photo is hidden from every encoder that it was optimised against; None without any.
        hidden_unseen: whether it is hidden from every other encoder; None without any.
        verdict: the same in plain words.
    """

    encoders: tuple[EncoderAudit, ...]
    gallery_photos: int
    hidden: bool | None
    hidden_unseen: bool | None
    verdict: str


def describe(searchers: Sequence[Searcher], photo: Tensor) -> list[Any]:
    """Describe a photo (3, H, W) by each searcher, as one item for its gallery; shared networks run once."""
    encoders = [searcher.encoder for searcher in searchers]
    outputs = iter(encode([encoder for encoder in encoders if isinstance(encoder, Encoder)], photo[None]))
    return [
        items(encoder, next(outputs)) if isinstance(encoder, Encoder) else encoder.items(photo) for encoder in encoders
    ]


def rank_at(gallery: Gallery[Any], query: Any, distance: float) -> int:  # noqa: ANN401
    """The rank of a photo at this distance: 1 + the number of gallery photos strictly nearer to the query."""
    below = math.nextafter(distance, -math.inf)
    return 1 + (int(gallery.count_within(query, below)[0]) if below >= 0 else 0)


def _find(gallery: Gallery[Any], query: Any, item: Any) -> tuple[float, int, bool]:  # noqa: ANN401
    """Distance and rank of an item, and whether it is hidden: ten are nearer, or it shares nothing with the query."""
    distance = float(gallery.between(query, item)[0])
    rank = rank_at(gallery, query, distance)
    return distance, rank, rank > FIRST_RESULTS or distance >= gallery.unrelated


@torch.no_grad()
def audit(
    original: Tensor,
    protected: Tensor,
    searchers: Sequence[Searcher],
    transforms: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
) -> Audit:
    """Search each gallery with the original, and see at which rank the protected photo comes.

    A photo without local features has no visual words in common with any other, and so is found by none.

    Args:
        original: (3, H, W) in [0, 1].
        protected: (3, H', W') in [0, 1], as read from its file.
        searchers: encoders with their galleries, which contain the same photos.
        transforms: what a platform may do to the protected photo, by name; not differentiable.
    """
    before, after = describe(searchers, original), describe(searchers, protected)
    altered = {name: describe(searchers, change(protected[None])[0]) for name, change in (transforms or {}).items()}
    found = []
    for i, searcher in enumerate(searchers):
        gallery, threshold, query = searcher.gallery, searcher.threshold, before[i]
        distance, rank, hidden = _find(gallery, query, after[i])
        found.append(
            EncoderAudit(
                name=searcher.encoder.name,
                seen=searcher.seen,
                distance_before=0.0,
                distance_after=distance,
                rank_before=1,
                rank_after=rank,
                found_by_before=int(gallery.count_within(query, threshold)[0]),
                found_by_after=int(gallery.count_within(after[i], threshold)[0]),
                threshold=threshold,
                gallery_photos=len(gallery),
                hidden=hidden,
                survives={name: _find(gallery, query, seen[i])[2] for name, seen in altered.items()},
            )
        )
    seen, unseen = ([entry.hidden for entry in found if entry.seen is kind] for kind in (True, False))
    return Audit(
        encoders=tuple(found),
        gallery_photos=len(searchers[0].gallery) if searchers else 0,
        hidden=all(seen) if seen else None,
        hidden_unseen=all(unseen) if unseen else None,
        verdict=verdict(found),
    )


def verdict(encoders: Sequence[EncoderAudit]) -> str:
    """The result in one or two plain sentences. It always tells seen encoders from unseen ones."""
    parts = []
    for seen, those in (
        (True, "the encoders it was optimised against"),
        (False, "encoders it was not optimised against"),
    ):
        entries = [entry for entry in encoders if entry.seen == seen]
        found = [f"{entry.name} at rank {entry.rank_after}" for entry in entries if not entry.hidden]
        if found:
            parts.append(f"FOUND by {those} ({', '.join(found)})")
        elif entries:
            parts.append(f"hidden from {those} ({', '.join(entry.name for entry in entries)})")
    hidden = [entry for entry in encoders if entry.hidden]
    lost = [f"{name} ({entry.name})" for entry in hidden for name, kept in entry.survives.items() if not kept]
    if lost:
        parts.append(f"found again after {', '.join(lost)}")
    text = "; ".join(parts) or "nobody searched"
    return f"{text[0].upper()}{text[1:]}. Another encoder may still find it."


@dataclass(frozen=True)
class ExpectedQueries:
    """The expected number of queries: E_s (all attack photos count) or E_w (only those of the photo's own class).

    Attributes:
        queries: E = N·P / hits, or N·P without any hit.
        at_least: whether `queries` is a lower bound, because there was no hit.
        hits: the number of hits over all protected photos.
        attack_photos: N, the size of the whole attack set in both cases.
        photos: P, the number of protected photos.
    """

    queries: float
    at_least: bool
    hits: int
    attack_photos: int
    photos: int


def expected_queries(hits: Tensor, attack_photos: int) -> ExpectedQueries:
    """How many queries it takes on average until a protected photo is returned.

    E = N / (mean of hits), a ratio of averages; without any hit at least N·P.

    Source: Xiao, Wang, Gao, "Evade deep image retrieval by stashing private images in the hash space", CVPR 2020,
    section 5.

    Args:
        hits: (P,), for each protected photo the number of attack photos that return it within T.
        attack_photos: N.

    Raises:
        ValueError: if there is no protected photo or no attack photo.
    """
    photos, total = len(hits), int(hits.sum())
    if photos == 0 or attack_photos < 1:
        raise ValueError("expected queries need at least one protected photo and one attack photo")
    return ExpectedQueries(attack_photos * photos / max(total, 1), total == 0, total, attack_photos, photos)
