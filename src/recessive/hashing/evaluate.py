"""What a trained hash network finds: codes of a split, and the figures of a retrieval with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from recessive.class_labels import relevant
from recessive.codes import sign
from recessive.datasets import RetrievalData, Split
from recessive.galleries import HammingGallery, mean_average_precision, precision_within
from recessive.hashing.batches import read_batches, to_network

BATCH = 250
RADIUS = 2  # bits
_ROWS = 500  # queries whose labels are compared at a time


@dataclass(frozen=True)
class RetrievalFigures:
    """What a retrieval with codes reaches: each query of the query split searches the whole gallery split.

    Attributes:
        map: mean average precision over all results.
        map_at_k: over the first k.
        k: as asked for.
        precision_radius_2: mean share of relevant photos among those at distance ≤ 2 bits; none found counts as 0.
        chance_map: share of relevant photos in the gallery, mean over queries: about what a random order reaches.
        queries: how many there were.
        gallery: how many photos were searched.
        without_relevant: queries that have no relevant photo in the gallery; they count as 0.
    """

    map: float
    map_at_k: float
    k: int
    precision_radius_2: float
    chance_map: float
    queries: int
    gallery: int
    without_relevant: int


@torch.no_grad()
def codes_of(
    network: nn.Module,
    split: Split,
    size: int,
    *,
    device: torch.device | str = "cpu",
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Codes of ±1 of all photos of a split, in their order, computed in evaluation mode: (N, bits), int8.

    The network is left in the mode that it was in.

    Args:
        network: photos (N, 3, size, size) in [0, 1] to logits (N, bits).
        split: whose photos.
        size: pixels a side that photos are read at.
        device: where the network is.
        workers: processes that read ahead.
        progress: told how many of how many photos are done.

    Raises:
        DataError: a photo cannot be read.
    """
    training = network.training
    network.eval()
    try:
        codes = []
        batches = torch.arange(len(split)).split(BATCH)
        for number, photos in read_batches(split.photos, batches, size, workers=workers):
            codes.append(sign(network(to_network(photos.to(device)))).to("cpu", torch.int8))
            if progress:
                progress(min((number + 1) * BATCH, len(split)), len(split))
        return torch.cat(codes)
    finally:
        network.train(training)


def _searched(codes: Tensor) -> HammingGallery:
    gallery = HammingGallery(codes.shape[1])
    gallery.add(codes)
    return gallery


def code_map(queries: Tensor, gallery: Tensor, query_labels: Tensor, gallery_labels: Tensor) -> float:
    """mAP over all results of codes (Q, bits) that search among codes (N, bits)."""
    return mean_average_precision(_searched(gallery), queries, query_labels, gallery_labels).map


def retrieval_figures(
    queries: Tensor, gallery: Tensor, query_labels: Tensor, gallery_labels: Tensor, k: int = 1000
) -> RetrievalFigures:
    """All figures of codes (Q, bits) that search among codes (N, bits)."""
    searched = _searched(gallery)
    whole = mean_average_precision(searched, queries, query_labels, gallery_labels)
    first = mean_average_precision(searched, queries, query_labels, gallery_labels, k=k)
    near = precision_within(searched, queries, query_labels, gallery_labels, radius=RADIUS)
    shares = [relevant(some, gallery_labels).double().mean(dim=1) for some in query_labels.split(_ROWS)]
    return RetrievalFigures(
        map=whole.map,
        map_at_k=first.map,
        k=k,
        precision_radius_2=near.precision,
        chance_map=float(torch.cat(shares).mean()),
        queries=whole.queries,
        gallery=len(searched),
        without_relevant=whole.without_relevant,
    )


def evaluate(
    network: nn.Module,
    data: RetrievalData,
    size: int,
    *,
    k: int = 1000,
    device: torch.device | str = "cpu",
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> RetrievalFigures:
    """The figures of a network on a data set: see `codes_of` and `RetrievalFigures`."""
    total = len(data.query) + len(data.gallery)

    def codes(split: Split, before: int) -> Tensor:
        told = (lambda done, _: progress(before + done, total)) if progress else None
        return codes_of(network, split, size, device=device, workers=workers, progress=told)

    queries, gallery = codes(data.query, 0), codes(data.gallery, len(data.query))
    return retrieval_figures(queries, gallery, data.query.labels, data.gallery.labels, k)
