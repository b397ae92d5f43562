"""Descriptors: measures written out by hand, galleries that search by them, and pairs that need not be in a gallery."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from recessive.codes import sign
from recessive.galleries import (
    DenseGallery,
    HammingGallery,
    cosine_distances,
    euclidean_distances,
    rank,
    tanimoto_distances,
)
from recessive.galleries import gallery as gallery_module

other_measures = pytest.mark.parametrize("measure", [euclidean_distances, tanimoto_distances])
every_measure = pytest.mark.parametrize("measure", [cosine_distances, euclidean_distances, tanimoto_distances])


def close(found, expected, atol=1e-6):
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=atol)


def draw_for(measure, count, dim, seed):
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
    first, second = (draw_for(tanimoto_distances, 4, 9, seed) for seed in range(2))
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
    first, second = draw_for(measure, 3, 5, 0), draw_for(measure, 4, 5, 1)
    for kind in (torch.float32, torch.float64):
        assert measure(first.to(kind), second.to(kind)).dtype == torch.float32
    assert measure(first, second).shape == (3, 4)
    assert measure(first[:0], second).shape == (0, 4)
    assert measure(first, second[:0]).shape == (3, 0)
    assert measure(first[:0], second[:0]).shape == (0, 0)


@every_measure
def test_distances_are_the_same_either_way(measure):
    first, second = draw_for(measure, 8, 31, 0), draw_for(measure, 9, 31, 1)
    assert torch.equal(measure(first, second), measure(second, first).T)


@every_measure
def test_items_are_left_as_they_are(measure):
    first, second = draw_for(measure, 3, 5, 0), draw_for(measure, 4, 5, 1)
    before = first.double(), second.double()
    measure(*before)
    assert torch.equal(before[0], first.double())
    assert torch.equal(before[1], second.double())


@every_measure
def test_a_pair_has_one_distance_whatever_is_computed_beside_it(measure):
    # 300 values: sums in float32 would depend on the place among the others.
    for seed in range(10):
        item, *asked = draw_for(measure, 8, 300, seed).split(1)
        together = measure(torch.cat(asked), item.repeat(53, 1))
        for query, row in zip(asked, together, strict=True):
            assert torch.equal(row, measure(query, item)[0].expand(53))


@every_measure
def test_copies_of_the_query_itself_are_ties_at_zero(measure):
    for seed in range(30):
        item = draw_for(measure, 1, 300, seed)
        copies = item.repeat(53, 1)
        alone, among = measure(item, item), measure(copies[:7], copies)
        assert torch.equal(among, alone.expand(7, 53)), f"seed {seed}"
        assert float(alone) <= 3e-7  # by as much as a length in float32 differs from 1
        if measure is not cosine_distances:
            assert float(alone) == 0


@other_measures
def test_a_gallery_finds_its_copies_within_nothing_in_the_order_of_their_indices(measure):
    for seed in range(30):
        item, other = draw_for(measure, 2, 144, seed).split(1)
        gallery = DenseGallery(144, measure)
        for part in (other, item.repeat(20, 1), other, item.repeat(3, 1)):
            gallery.add(part)
        assert gallery.count_within(item, 0).tolist() == [23]
        assert gallery.search(item, 23).indices.tolist() == [[*range(1, 21), 22, 23, 24]]


def filled(measure, items):
    gallery = DenseGallery(items.shape[1], measure)
    gallery.add(items)
    return gallery


def draw(count, dim, seed, measure=None):
    """Whole numbers of 0 to 3, many of them alike; of unit length for the cosine."""
    drawn = torch.randint(0, 4, (count, dim), generator=torch.Generator().manual_seed(seed)).float()
    return torch.nn.functional.normalize(drawn + 1, dim=1) if measure is cosine_distances else drawn


def euclidean(one, other):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))


def tanimoto(one, other):
    total, rest = sum(one), sum(other)
    if not total or not rest:
        return float(total != rest)
    x, y = [a / total for a in one], [b / rest for b in other]
    shared = sum(a * b for a, b in zip(x, y, strict=True))
    return 1 - shared / (sum(a * a for a in x) + sum(b * b for b in y) - shared)


NAIVE = {euclidean_distances: euclidean, tanimoto_distances: tanimoto}


def test_euclidean_search_by_hand():
    # From (0, 0): 5, 2, 5 and 13. From (5, 12): √(4 + 64), √(25 + 100), √(1 + 81) and 0.
    gallery = filled(euclidean_distances, torch.tensor([[3.0, 4], [0, 2], [4, 3], [5, 12]]))
    asked = torch.tensor([[0.0, 0], [5, 12]])
    hits = gallery.search(asked, 3)
    assert hits.indices.tolist() == [[1, 0, 2], [3, 0, 2]]
    expected = [[2.0, 5, 5], [0, math.sqrt(68), math.sqrt(82)]]
    torch.testing.assert_close(hits.distances, torch.tensor(expected))
    assert gallery.count_within(asked, 5).tolist() == [3, 1]
    assert gallery.count_within(asked, math.nextafter(5, 0)).tolist() == [1, 1]
    assert rank(gallery, asked, torch.tensor([2, 1])).tolist() == [3, 4]


def test_tanimoto_search_by_hand():
    # To (1, 1, 0): a copy of other size; (0, 1, 1) at 2/3; nothing at 1; (1, 0, 0) at 1/2.
    gallery = filled(tanimoto_distances, torch.tensor([[0.0, 1, 1], [7, 7, 0], [0, 0, 0], [1, 0, 0]]))
    asked = torch.tensor([[1.0, 1, 0], [0, 0, 0]])
    hits = gallery.search(asked, 4)
    assert hits.indices.tolist() == [[1, 3, 0, 2], [2, 0, 1, 3]]
    expected = [[0.0, 1 / 2, 2 / 3, 1], [0, 1, 1, 1]]
    torch.testing.assert_close(hits.distances, torch.tensor(expected))
    assert gallery.count_within(asked, 0.6).tolist() == [2, 1]
    assert gallery.count_within(asked, 1).tolist() == [4, 4]


@other_measures
@pytest.mark.parametrize("scratch", [1, 40, 4_000_000])
def test_it_finds_what_naive_loops_find(measure, scratch, monkeypatch):
    monkeypatch.setattr(gallery_module, "SCRATCH_VALUES", scratch)
    monkeypatch.setattr(gallery_module, "_BLOCK_VALUES", 15)
    items, asked = draw(33, 4, 0), draw(6, 4, 1)
    gallery = DenseGallery(4, measure)
    for part in items.split([13, 0, 20]):
        gallery.add(part)
    naive = NAIVE[measure]
    expected = torch.tensor([[naive(one, other) for other in items.tolist()] for one in asked.tolist()])
    distances = torch.cat([part for _, part in gallery.distances(asked)])
    torch.testing.assert_close(distances, expected, rtol=0, atol=1e-6)
    rows = distances.tolist()
    order = [sorted(range(33), key=lambda i, row=row: (row[i], i)) for row in rows]
    hits = gallery.search(asked, 9)
    assert hits.indices.tolist() == [places[:9] for places in order]
    assert hits.distances.tolist() == [[row[i] for i in places[:9]] for row, places in zip(rows, order, strict=True)]
    for radius in (-1, 0, rows[0][3], math.nextafter(rows[0][3], -1), 0.7, math.inf):
        assert gallery.count_within(asked, radius).tolist() == [sum(d <= radius for d in row) for row in rows]


@other_measures
def test_only_by_the_cosine_need_descriptors_have_unit_length(measure):
    gallery = filled(measure, torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert gallery.search(torch.tensor([[0.0, 0.0]]), 1).indices.tolist() == [[1]]
    with pytest.raises(ValueError, match="unit length"):
        filled(cosine_distances, torch.tensor([[3.0, 4.0]]))


@other_measures
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused(measure, wrong):
    gallery, items = DenseGallery(2, measure), torch.tensor([[1.0, 2.0], [3.0, wrong]])
    for call in (gallery.add, lambda x: gallery.search(x, 1), lambda x: gallery.between(x, x)):
        with pytest.raises(ValueError, match="finite numbers"):
            call(items)
    assert len(gallery) == 0


def test_the_cosine_is_what_descriptors_are_compared_by_unless_said():
    assert DenseGallery(2).measure is cosine_distances


def test_pairs_of_descriptors_by_hand():
    first, second = torch.tensor([[1.0, 0], [0.6, 0.8], [1, 0]]), torch.tensor([[0.0, 1], [0.8, 0.6], [-1, 0]])
    found = DenseGallery(2).between(first, second)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.tensor([1.0, 0.04, 2.0]))
    found = DenseGallery(2, euclidean_distances).between(3 * first, 3 * second)
    expected = [3 * math.sqrt(2), 3 * math.sqrt(0.08), 6]
    torch.testing.assert_close(found, torch.tensor(expected))
    found = DenseGallery(2, tanimoto_distances).between(first.abs(), second.abs())
    # (3, 4)/7 and (4, 3)/7: x·y = 24/49, x·x = y·y = 25/49: D = 1 − 24/26.
    torch.testing.assert_close(found, torch.tensor([1.0, 1 / 13, 0.0]))


def test_pairs_of_codes_by_hand():
    first = torch.ones(3, 70)
    second = first.clone()
    second[1, 69] = -1  # in the second word
    second[2, :66] = -1
    found = HammingGallery(70).between(first, second)
    assert found.dtype == torch.int16
    assert found.tolist() == [0, 1, 66]


@every_measure
def test_pairs_of_descriptors_are_measured_as_in_the_gallery(measure):
    items, asked = draw(40, 150, 0, measure), draw(40, 150, 1, measure)
    gallery = filled(measure, items)
    distances = torch.cat([part for _, part in gallery.distances(asked)])
    assert torch.equal(gallery.between(asked, items), distances.diagonal())
    assert torch.equal(DenseGallery(150, measure).between(asked, items), distances.diagonal())  # they need not be in it
    # so that a photo's rank can be counted from its distance
    for query, distance in zip(asked.split(1), gallery.between(asked, items).tolist(), strict=True):
        at, below = (gallery.count_within(query, radius) for radius in (distance, math.nextafter(distance, -1)))
        assert int(at - below) >= 1


@pytest.mark.parametrize("bits", [1, 48, 64, 65, 200])
def test_pairs_of_codes_are_measured_as_in_the_gallery(bits):
    items, asked = (sign(torch.randn(40, bits, generator=torch.Generator().manual_seed(seed))) for seed in range(2))
    gallery = HammingGallery(bits)
    gallery.add(items)
    distances = torch.cat([part for _, part in gallery.distances(asked)])
    assert torch.equal(gallery.between(asked, items), distances.diagonal())
    assert gallery.between(asked, items).tolist() == (asked != items).sum(dim=1).tolist()
    assert torch.equal(HammingGallery(bits).between(asked, items), distances.diagonal())


GALLERIES = pytest.mark.parametrize(
    "gallery",
    [DenseGallery(3), DenseGallery(3, euclidean_distances), DenseGallery(3, tanimoto_distances), HammingGallery(3)],
    ids=["cosine", "euclidean", "tanimoto", "hamming"],
)


@GALLERIES
def test_no_pairs_have_no_distances(gallery):
    assert gallery.between(torch.empty(0, 3), torch.empty(0, 3)).shape == (0,)


def unit(count):
    """What every gallery of three values takes."""
    return torch.tensor([[1.0, 1, 1]]).repeat(count, 1) / (3**0.5)


@GALLERIES
def test_pairs_without_a_partner_are_refused(gallery):
    for first, second in ((1, 2), (2, 1), (0, 1), (1, 0)):
        items = [sign(unit(count)) if isinstance(gallery, HammingGallery) else unit(count) for count in (first, second)]
        with pytest.raises(ValueError, match=f"of equal length, not of {first} and {second}"):
            gallery.between(*items)


@GALLERIES
def test_pairs_that_are_none_of_the_gallerys_are_refused(gallery):
    good, wrong = torch.tensor([[1.0, 0, 0]]), torch.tensor([[1.0, 0]])
    good = sign(good) if isinstance(gallery, HammingGallery) else good
    for pair in ((good, wrong), (wrong, good)):
        with pytest.raises(ValueError, match=r"\(N, 3\), not \(1, 2\)"):
            gallery.between(*pair)


@every_measure
def test_pairs_with_a_gradient_are_measured_without(measure):
    items = draw(2, 8, 0, measure).requires_grad_()
    assert not DenseGallery(8, measure).between(items, items).requires_grad
