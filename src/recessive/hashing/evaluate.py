"""Retrieval with the codes of a network: its codes of a split, and the figures that papers report."""

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
_ROWS = 500  # queries whose labels are compared at once


@dataclass(frozen=True)
class RetrievalFigures:
    """The quality of retrieval with codes: each query of the query split searches the whole gallery split.

    Attributes:
        map: the mean average precision over all results.
        map_at_k: the mean average precision over the first k results.
        k: the k of `map_at_k`.
        precision_radius_2: the mean precision of the photos at distance ≤ 2 bits; it is 0 for a query that has none.
        chance_map: the mean share of relevant photos in the gallery: about the mAP of a random order.
        queries: the number of queries.
        gallery: the number of photos in the gallery.
        without_relevant: the number of queries without a relevant photo in the gallery; their precision counts as 0.
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
    """Compute the codes of ±1 of all photos of a split in evaluation mode: (N, bits), int8, in the order of the split.

    Args:
        network: maps photos (N, 3, size, size) in [0, 1] to logits (N, bits); it is left in the mode it was in.
        split: the photos.
        size: the height and width in pixels to resize to.
        device: the device that the network is on.
        workers: the number of processes that read ahead.
        progress: called with (photos done, photos in total).

    Raises:
        DataError: if a photo cannot be read.
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


def code_map(queries: Tensor, gallery: Tensor, query_labels: Tensor, gallery_labels: Tensor) -> float:
    """The mAP over all results of codes (Q, bits) that search codes (N, bits)."""
    searched = HammingGallery(gallery.shape[1])
    searched.add(gallery)
    return mean_average_precision(searched, queries, query_labels, gallery_labels).map


def retrieval_figures(
    queries: Tensor, gallery: Tensor, query_labels: Tensor, gallery_labels: Tensor, k: int = 1000
) -> RetrievalFigures:
    """All figures of codes (Q, bits) that search codes (N, bits)."""
    searched = HammingGallery(gallery.shape[1])
    searched.add(gallery)
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
    """Compute the figures of a network on a data set, see `RetrievalFigures`; the arguments are those of `codes_of`."""
    total = len(data.query) + len(data.gallery)

    def codes(split: Split, before: int) -> Tensor:
        shifted = (lambda done, _: progress(before + done, total)) if progress else None
        return codes_of(network, split, size, device=device, workers=workers, progress=shifted)

    queries, gallery = codes(data.query, 0), codes(data.gallery, len(data.query))
    return retrieval_figures(queries, gallery, data.query.labels, data.gallery.labels, k)
