import numpy as np
import pytest
import torch

from recessive.datasets import RetrievalData
from recessive.hashing import codes_of, evaluate, retrieval_figures
from recessive.hashing.batches import to_network


def naive(queries, gallery, same, k):
    """mAP, mAP@k, precision within 2 bits and the share of relevant photos, by loops."""
    maps, maps_k, near, chance = [], [], [], []
    for query, wanted in zip(queries, same, strict=True):
        distances = [int((query != code).sum()) for code in gallery]
        order = sorted(range(len(gallery)), key=lambda index: (distances[index], index))
        for found, upto in ((maps, len(order)), (maps_k, k)):
            hits, total = 0, 0.0
            for rank, index in enumerate(order[:upto], 1):
                if wanted[index]:
                    hits += 1
                    total += hits / rank
            found.append(total / hits if hits else 0.0)
        inside = [wanted[index] for index in order if distances[index] <= 2]
        near.append(np.mean(inside) if inside else 0.0)
        chance.append(np.mean(wanted))
    return [np.mean(values) for values in (maps, maps_k, near, chance)]


@pytest.mark.parametrize("multi_label", [False, True])
def test_figures_are_those_of_a_loop(multi_label):
    generator = torch.Generator().manual_seed(0)
    queries = torch.randint(0, 2, (9, 12), generator=generator) * 2 - 1
    gallery = torch.randint(0, 2, (40, 12), generator=generator) * 2 - 1
    gallery[:9] = queries  # some lie within 2 bits
    gallery[:9, 0] *= -1
    if multi_label:
        asked, held = (torch.rand(n, 4, generator=generator) < 0.3 for n in (9, 40))
        same = [[bool((a & b).any()) for b in held] for a in asked]
    else:
        asked, held = (torch.randint(0, 4, (n,), generator=generator) for n in (9, 40))
        same = [[bool(a == b) for b in held] for a in asked]
    found = retrieval_figures(queries.to(torch.int8), gallery.to(torch.int8), asked, held, k=7)
    wanted = naive(queries.numpy(), gallery.numpy(), same, 7)
    assert [found.map, found.map_at_k, found.precision_radius_2, found.chance_map] == pytest.approx(wanted)
    assert (found.queries, found.gallery, found.k) == (9, 40, 7)
    assert found.without_relevant == sum(not any(row) for row in same)


def test_codes_are_signs_in_evaluation_mode(tiny):
    network, split = tiny.network(), tiny.split(photos=600)
    told = []
    codes = codes_of(network.train(), split, tiny.SIZE, progress=lambda *now: told.append(now))
    assert network.training
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(to_network(photo[None])) for photo in split.photos.pixels[::60]])
    assert codes.dtype == torch.int8
    assert torch.equal(codes[::60] > 0, logits >= 0)
    assert told == [(250, 600), (500, 600), (600, 600)]


def test_a_network_is_measured_on_queries_against_the_gallery(tiny):
    network = tiny.run()[0]
    data = RetrievalData(
        name="blobs",
        protocol="one",
        classes=("r", "g", "b"),
        query=tiny.split(photos=9, seed=2),
        gallery=tiny.split(photos=60, seed=3),
        train=tiny.split(),
        note="",
    )
    told = []
    found = evaluate(network, data, tiny.SIZE, k=10, progress=lambda *now: told.append(now))
    assert (found.queries, found.gallery, found.k) == (9, 60, 10)
    assert found.chance_map == pytest.approx(1 / 3)
    assert found.map > 0.6
    assert told[-1] == (69, 69)
