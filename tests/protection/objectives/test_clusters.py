"""Clusters of codes."""

from __future__ import annotations

import pytest
import torch

from recessive.codes import hamming, sign
from recessive.protection.objectives.clusters import NOISE, dbscan, k_means

BITS = 24


def around(*sizes, flips=1, seed=0):
    """Codes around random ones, so many each, `flips` bits away at most."""
    generator = torch.Generator().manual_seed(seed)
    codes = []
    for size in sizes:
        centre = sign(torch.randn(BITS, generator=generator))
        for number in range(size):
            code = centre.clone()
            code[torch.randperm(BITS, generator=generator)[: number % (flips + 1)]] *= -1
            codes.append(code)
    return torch.stack(codes)


def chains(codes, bits):
    """DBSCAN by its definition: cores linked within so many bits, then what lies within that of a core."""
    near = hamming(codes, codes) <= bits
    core = near.sum(1) >= 5
    labels, found = torch.full((len(codes),), NOISE), 0
    for first in range(len(codes)):
        if not core[first] or labels[first] != NOISE:
            continue
        reached = torch.zeros(len(codes), dtype=torch.bool)
        reached[first] = True
        while True:
            more = reached | (near[reached & core].any(0))
            if torch.equal(more, reached):
                break
            reached = more
        labels[reached] = found
        found += 1
    return labels


def partition(labels):
    """Clusters as sets of rows."""
    return {frozenset(torch.nonzero(labels == number).flatten().tolist()) for number in labels.unique() if number >= 0}


def test_k_means_tells_clusters_apart():
    codes = around(12, 7, 9)
    assert partition(k_means(codes, 3)) == {frozenset(range(12)), frozenset(range(12, 19)), frozenset(range(19, 28))}


def test_each_code_is_in_the_k_means_cluster_whose_mean_is_nearest():
    codes = sign(torch.randn(80, BITS, generator=torch.Generator().manual_seed(3)))
    labels = k_means(codes, 6)
    means = torch.stack([codes[labels == number].mean(0) for number in range(6)])
    assert torch.equal(torch.cdist(codes, means).argmin(1), labels)


def test_there_are_at_most_as_many_k_means_clusters_as_different_codes():
    codes = around(3, 3, flips=0)
    labels = k_means(codes, 20)
    assert labels.unique().tolist() == [0, 1]


@pytest.mark.parametrize(("eps", "bits"), [(1.9, 0), (2.0, 1), (2.5, 1), (2.9, 2), (3.46, 2), (3.47, 3)])
def test_dbscan_is_that_of_its_definition(eps, bits):
    codes = torch.cat([around(20, 15, 9, flips=3), around(8, flips=0, seed=5)])
    codes = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(1))]
    found, expected = dbscan(codes, eps), chains(codes, bits)
    assert partition(found) == partition(expected)
    assert torch.equal(found == NOISE, expected == NOISE)
    assert 1 <= found.max() + 1 <= 4


def test_four_codes_are_no_dbscan_cluster_and_five_are():
    assert dbscan(around(4, flips=0), 2.5).tolist() == [NOISE] * 4
    assert dbscan(around(5, flips=0), 2.5).tolist() == [0] * 5
