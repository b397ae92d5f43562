"""The audit: can a search with the original still find the protected photo?

It compares two photos, whoever made them. For each encoder the gallery plus the protected photo is searched with the
original as query. Ties go against the owner: a gallery photo at the same distance does not hide the protected one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Encoder, encode
from recessive.galleries import Gallery
from recessive.searchers.searcher import Searcher

FIRST_RESULTS = 10  # a photo that is not among the first ten results is hidden


@dataclass(frozen=True)
class EncoderAudit:
    """What one searcher finds.

    Attributes:
        name: of the encoder.
        seen: whether the protection was optimised against it.
        distance_before: of the original to itself: 0.
        distance_after: of the original to the protected photo (bits, or cosine distance).
        rank_before: at which the original finds the unprotected photo.
        rank_after: at which the original finds the protected photo among the gallery.
        found_by_before: gallery photos that return the unprotected photo within T.
        found_by_after: gallery photos that return the protected photo within T.
        threshold: T.
        gallery_photos: how many photos were searched.
        hidden: rank_after is beyond the first ten results, or by visual words nothing is shared.
        survives: for each transform asked for, whether the photo stays hidden after it.
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
        encoders: one entry a searcher.
        gallery_photos: how many photos the first searcher's gallery holds; the bundled ones differ.
        hidden: hidden from every encoder that was optimised against; None when none was.
        hidden_unseen: hidden from every encoder that was not; None when there is none.
        verdict: the same in plain words.
    """

    encoders: tuple[EncoderAudit, ...]
    gallery_photos: int
    hidden: bool | None
    hidden_unseen: bool | None
    verdict: str


def describe(searchers: Sequence[Searcher], photo: Tensor) -> list[Any]:
    """What each searcher sees in one photo (3, H, W): one item for its gallery. Encoders on one network run it once."""
    networks = [searcher.encoder for searcher in searchers if isinstance(searcher.encoder, Encoder)]
    outputs = iter(encode(networks, photo[None]))
    items: list[Any] = []
    for searcher in searchers:
        encoder = searcher.encoder
        if not isinstance(encoder, Encoder):
            items.append(encoder.items(photo))
        else:
            found = next(outputs)
            items.append(sign(found) if encoder.outputs == "logits" else found)
    return items


def rank_at(gallery: Gallery[Any], query: Any, distance: float) -> int:  # noqa: ANN401
    """The rank of a photo at this distance: 1 + the number of gallery photos strictly nearer to the query."""
    below = math.nextafter(distance, -math.inf)
    return 1 + (int(gallery.count_within(query, below)[0]) if below >= 0 else 0)


def _hidden(gallery: Gallery[Any], distance: float, rank: int) -> bool:
    """Whether no search has it among its first results: ten are nearer, or it shares nothing with the query."""
    return rank > FIRST_RESULTS or distance >= gallery.unrelated


@torch.no_grad()
def audit(
    original: Tensor,
    protected: Tensor,
    searchers: Sequence[Searcher],
    transforms: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
) -> Audit:
    """Search each gallery with the original and see where the protected photo comes.

    A photo without local features shares no visual words with any other, and so is found by none.

    Args:
        original: (3, H, W) in [0, 1].
        protected: (3, H', W') in [0, 1], as re-read from its file.
        searchers: encoders, each with the same gallery photos.
        transforms: by name, what a platform may do to the protected photo: the real operations.
    """
    before, after = describe(searchers, original), describe(searchers, protected)
    altered = {
        name: describe(searchers, transform(protected[None])[0]) for name, transform in (transforms or {}).items()
    }
    found = []
    for i, searcher in enumerate(searchers):
        gallery, threshold = searcher.gallery, searcher.threshold
        query, item = before[i], after[i]
        distance = float(gallery.between(query, item)[0])
        rank = rank_at(gallery, query, distance)
        survives = {}
        for name, seen in altered.items():
            there = float(gallery.between(query, seen[i])[0])
            survives[name] = _hidden(gallery, there, rank_at(gallery, query, there))
        found.append(
            EncoderAudit(
                name=searcher.encoder.name,
                seen=searcher.seen,
                distance_before=0.0,
                distance_after=distance,
                rank_before=1,
                rank_after=rank,
                found_by_before=int(gallery.count_within(query, threshold)[0]),
                found_by_after=int(gallery.count_within(item, threshold)[0]),
                threshold=threshold,
                gallery_photos=len(gallery),
                hidden=_hidden(gallery, distance, rank),
                survives=survives,
            )
        )
    gallery_photos = len(searchers[0].gallery) if searchers else 0
    seen = [entry for entry in found if entry.seen]
    unseen = [entry for entry in found if not entry.seen]
    hidden = all(entry.hidden for entry in seen) if seen else None
    hidden_unseen = all(entry.hidden for entry in unseen) if unseen else None
    return Audit(tuple(found), gallery_photos, hidden, hidden_unseen, verdict(found))


def verdict(encoders: Sequence[EncoderAudit]) -> str:
    """One plain sentence or two; a difference between seen and unseen encoders is always said."""
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
    lost = [
        f"{name} ({entry.name})"
        for entry in encoders
        for name, kept in entry.survives.items()
        if entry.hidden and not kept
    ]
    if lost:
        parts.append(f"found again after {', '.join(lost)}")
    text = "; ".join(parts) or "nobody searched"
    return f"{text[0].upper()}{text[1:]}. Another encoder may still find it."
