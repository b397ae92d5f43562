"""Measures: distances written out by hand, empty histograms, and copies, which are ties."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from recessive.galleries import DenseGallery, cosine_distances, euclidean_distances, tanimoto_distances

MEASURES = [cosine_distances, euclidean_distances, tanimoto_distances]
every_measure = pytest.mark.parametrize("measure", MEASURES)


def close(found, expected, atol=1e-6):
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=atol)


def draw(measure, count, dim, seed):
    """Items as the measure takes them: of unit length, any, or histograms of whole numbers."""
    values = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))
    if measure is cosine_distances:
        return normalize(values, dim=1)
    return values if measure is euclidean_distances else (3 * values).round().clamp(0, 7)


def test_cosine_distances_by_hand():
    first, second = torch.tensor([[1.0, 0], [0.6, 0.8]]), torch.tensor([[1.0, 0], [0, -1], [-0.6, -0.8]])
    close(cosine_distances(first, second), [[0.0, 1, 1.6], [0.4, 1.8, 2]])


def test_cosine_distances_are_never_negative():
    longer = torch.tensor([[1.0, 0], [0.6, 0.8]]) * 1.0001
    assert cosine_distances(longer, longer).diagonal().tolist() == [0, 0]


def test_euclidean_distances_by_hand():
    first = torch.tensor([[0.0, 0, 0], [1, 2, 3]])
    second = torch.tensor([[3.0, 4, 0], [1, 2, 3], [2, 0, 1], [-5, 0, 12]])
    expected = [[5.0, math.sqrt(14), math.sqrt(5), 13], [math.sqrt(17), 0, 3, math.sqrt(121)]]
    close(euclidean_distances(first, second), expected)


def test_euclidean_distances_of_near_points_far_away_are_right():
    # By way of x·x + y·y − 2 x·y in float32, nothing would be left of them.
    far = torch.tensor([[40_000.0, -30_000.0]])
    close(euclidean_distances(far, far + torch.tensor([[0.03125, 0.0], [0.0, 0.0]])), [[0.03125, 0]], atol=0)
    farther = torch.tensor([[1e9]], dtype=torch.float64)
    close(euclidean_distances(farther, farther + 1), [[1.0]], atol=0)


def test_tanimoto_distances_by_hand():
    # (1, 1, 0)/2 and (0, 1, 1)/2: x·y = 1/4 and x·x = y·y = 1/2, so that D = 1 − (1/4)/(3/4).
    # (1, 1, 0)/2 and (1, 0, 0): x·y = 1/2, y·y = 1: D = 1 − (1/2)/1.
    # (1, 2, 1)/4 and (0, 1, 1)/2: x·y = 3/8, x·x = 3/8, y·y = 1/2: D = 1 − (3/8)/(1/2).
    # (1, 2, 1)/4 and (1, 0, 0): x·y = 1/4, y·y = 1: D = 1 − (1/4)/(9/8).
    first = torch.tensor([[1.0, 1, 0], [1, 2, 1]])
    second = torch.tensor([[0.0, 1, 1], [1, 0, 0], [0, 0, 1]])
    close(tanimoto_distances(first, second), [[2 / 3, 1 / 2, 1], [1 / 4, 7 / 9, 7 / 9]])


def test_tanimoto_distances_are_those_of_shares():
    first, second = (draw(tanimoto_distances, 4, 9, seed) for seed in range(2))
    expected = tanimoto_distances(first, second)
    scaled = tanimoto_distances(first * torch.tensor([[1.0], [8], [1e-6], [1000]]), 3 * second)
    torch.testing.assert_close(scaled, expected, rtol=0, atol=1e-6)


def test_empty_histograms_are_like_each_other_and_like_no_other():
    empty, some = torch.zeros(1, 3), torch.tensor([[0.0, 7, 1], [1e-30, 0, 0]])
    close(tanimoto_distances(empty, torch.cat([some, empty])), [[1.0, 1, 0]], atol=0)
    close(tanimoto_distances(some, empty), [[1.0], [1]], atol=0)
    close(tanimoto_distances(empty, empty), [[0.0]], atol=0)


@every_measure
def test_tanimoto_and_others_give_float32_of_all_pairs(measure):
    first, second = draw(measure, 3, 5, 0), draw(measure, 4, 5, 1)
    for kind in (torch.float32, torch.float64):
        assert measure(first.to(kind), second.to(kind)).dtype == torch.float32
    assert measure(first, second).shape == (3, 4)
    assert measure(first[:0], second).shape == (0, 4)
    assert measure(first, second[:0]).shape == (3, 0)
    assert measure(first[:0], second[:0]).shape == (0, 0)


@every_measure
def test_distances_are_the_same_either_way(measure):
    first, second = draw(measure, 8, 31, 0), draw(measure, 9, 31, 1)
    assert torch.equal(measure(first, second), measure(second, first).T)


@every_measure
def test_items_are_left_as_they_are(measure):
    first, second = draw(measure, 3, 5, 0), draw(measure, 4, 5, 1)
    before = first.double(), second.double()
    measure(*before)
    assert torch.equal(before[0], first.double())
    assert torch.equal(before[1], second.double())


@every_measure
def test_a_pair_has_one_distance_whatever_is_computed_beside_it(measure):
    # 300 values: sums in float32 would depend on the place among the others.
    for seed in range(10):
        item, *asked = draw(measure, 8, 300, seed).split(1)
        together = measure(torch.cat(asked), item.repeat(53, 1))
        for query, row in zip(asked, together, strict=True):
            assert torch.equal(row, measure(query, item)[0].expand(53))


@every_measure
def test_copies_of_the_query_itself_are_ties_at_zero(measure):
    for seed in range(30):
        item = draw(measure, 1, 300, seed)
        copies = item.repeat(53, 1)
        alone, among = measure(item, item), measure(copies[:7], copies)
        assert torch.equal(among, alone.expand(7, 53)), f"seed {seed}"
        assert float(alone) <= 3e-7  # by as much as a length in float32 differs from 1
        if measure is not cosine_distances:
            assert float(alone) == 0


@pytest.mark.parametrize("measure", [euclidean_distances, tanimoto_distances])
def test_a_gallery_finds_its_copies_within_nothing_in_the_order_of_their_indices(measure):
    for seed in range(30):
        item, other = draw(measure, 2, 144, seed).split(1)
        gallery = DenseGallery(144, measure)
        for part in (other, item.repeat(20, 1), other, item.repeat(3, 1)):
            gallery.add(part)
        assert gallery.count_within(item, 0).tolist() == [23]
        assert gallery.search(item, 23).indices.tolist() == [[*range(1, 21), 22, 23, 24]]
