"""Both galleries against naive loops, with many ties, in parts of any size."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.codes import sign
from recessive.galleries import DenseGallery, HammingGallery, cosine_distances, rank
from recessive.galleries import gallery as gallery_module


def codes(count, bits, seed):
    return sign(torch.randn(count, bits, generator=torch.Generator().manual_seed(seed)))


def axes(count, dim, seed):
    """Unit vectors along the axes: all distances are exactly 0, 1 or 2."""
    places = torch.randint(0, dim, (count,), generator=torch.Generator().manual_seed(seed))
    return torch.eye(dim)[places] * codes(count, 1, seed)


def naive_distances(queries, items):
    if not len(queries) or not len(items):
        return [[] for _ in queries]
    if bool((items.abs() == 1).all()):
        return (queries[:, None] != items[None]).sum(2).tolist()
    return (1 - (queries[:, None] * items[None]).sum(2)).tolist()


KINDS = pytest.mark.parametrize(("build", "draw"), [(HammingGallery, codes), (DenseGallery, axes)])


@pytest.fixture(params=[1, 40, 4_000_000])
def scratch(request, monkeypatch):
    monkeypatch.setattr(gallery_module, "SCRATCH_VALUES", request.param)
    monkeypatch.setattr(gallery_module, "_BLOCK", 7)
    monkeypatch.setattr(gallery_module, "_BLOCK_VALUES", 15)


def check(build, draw, dim, sizes, queries, k, seed):
    gallery = build(dim)
    items = draw(sum(sizes), dim, seed)
    for part in items.split(sizes):
        gallery.add(part)
    assert len(gallery) == len(items)
    asked = draw(queries, dim, seed + 1)
    distances = naive_distances(asked, items)
    order = [sorted(range(len(items)), key=lambda i, row=row: (row[i], i)) for row in distances]

    hits = gallery.search(asked, k)
    assert hits.indices.tolist() == [places[:k] for places in order]
    assert hits.distances.tolist() == [
        [row[i] for i in places[:k]] for row, places in zip(distances, order, strict=True)
    ]
    assert hits.indices.shape == hits.distances.shape == (queries, min(k, len(items)))
    assert hits.indices.dtype == torch.int64

    for radius in (-1, 0, 0.5, 1, 2, dim, math.inf, -math.inf):
        counts = gallery.count_within(asked, radius)
        assert counts.dtype == torch.int64
        assert counts.tolist() == [sum(distance <= radius for distance in row) for row in distances]

    if len(items):
        wanted = torch.arange(queries) * 7 % len(items)
        ranks = [places.index(int(i)) + 1 for places, i in zip(order, wanted, strict=True)]
        assert rank(gallery, asked, wanted).tolist() == ranks


@KINDS
@pytest.mark.usefixtures("scratch")
@pytest.mark.parametrize("dim", [2, 5, 64, 70])
def test_it_finds_what_naive_loops_find(build, draw, dim):
    check(build, draw, dim, (13, 0, 1, 20), queries=6, k=9, seed=dim)


@KINDS
@pytest.mark.parametrize(("sizes", "queries", "k"), [((), 3, 4), ((0,), 3, 4), ((5,), 0, 2), ((3,), 2, 50), ((), 0, 1)])
def test_nothing_and_too_little_are_no_trouble(build, draw, sizes, queries, k):
    check(build, draw, 6, list(sizes) or [0], queries, k, seed=3)


@given(st.integers(1, 130), st.integers(1, 30), st.integers(1, 4), st.integers(1, 40), st.integers(0, 99))
def test_codes_of_any_length(bits, items, queries, k, seed):
    check(HammingGallery, codes, bits, [items], queries, k, seed)


def test_descriptors_in_general_position():
    generator = torch.Generator().manual_seed(0)
    items, asked = (torch.nn.functional.normalize(torch.randn(n, 32, generator=generator)) for n in (300, 20))
    gallery = DenseGallery(32)
    gallery.add(items)
    exact = 1 - asked.double() @ items.double().T
    hits = gallery.search(asked, 10)
    assert torch.equal(hits.indices, exact.argsort(dim=1)[:, :10])
    torch.testing.assert_close(hits.distances.double(), exact.sort(dim=1).values[:, :10], rtol=0, atol=1e-6)
    assert torch.equal(gallery.count_within(asked, 0.8), (exact <= 0.8).sum(1))
    assert torch.equal(rank(gallery, asked, hits.indices[:, 7]), torch.full((20,), 8))


def test_copies_of_a_descriptor_are_ties_for_one_query_or_many():
    # 300 values: sums in float32 would depend on the place in the gallery.
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        item, *asked = torch.nn.functional.normalize(torch.randn(8, 300, generator=generator)).split(1)
        gallery = DenseGallery(300)
        gallery.add(item.repeat(53, 1))
        queries = torch.cat(asked)
        together = gallery.search(queries, 53)
        for i, query in enumerate(asked):
            hits = gallery.search(query, 53)
            assert hits.indices.tolist() == [list(range(53))]
            assert torch.equal(hits.distances, together.distances[i : i + 1])
            assert torch.equal(hits.distances, cosine_distances(query, item).expand(1, 53))


@KINDS
def test_a_radius_just_below_a_distance_leaves_it_out(build, draw):
    gallery = build(4)
    gallery.add(draw(1, 4, 0))
    asked = -draw(1, 4, 0)
    distance = float(gallery.search(asked, 1).distances)
    assert gallery.count_within(asked, distance).tolist() == [1]
    assert gallery.count_within(asked, math.nextafter(distance, -math.inf)).tolist() == [0]


@KINDS
def test_what_was_added_stays_when_the_callers_tensor_changes(build, draw):
    gallery, items = build(8), draw(4, 8, 0)
    gallery.add(items)
    asked = items[:1].clone()
    items.neg_()
    assert float(gallery.search(asked, 1).distances) == 0


@KINDS
def test_items_with_a_gradient_are_held_without(build, draw):
    gallery, items = build(8), draw(4, 8, 0).requires_grad_()
    gallery.add(items)
    assert not gallery.search(items, 1).distances.requires_grad


@KINDS
def test_wrong_use_is_refused(build, draw):
    with pytest.raises(ValueError, match="at least one"):
        build(0)
    gallery = build(8)
    for call in (gallery.add, lambda x: gallery.search(x, 1), lambda x: gallery.count_within(x, 1)):
        with pytest.raises(ValueError, match=r"\(N, 8\), not \(2, 7\)"):
            call(draw(2, 7, 0))
        with pytest.raises(ValueError, match=r"\(N, 8\), not \(8,\)"):
            call(draw(1, 8, 0)[0])
    for k in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            gallery.search(draw(1, 8, 0), k)
    gallery.add(draw(3, 8, 0))
    for wrong in (torch.tensor([3]), torch.tensor([-1])):
        with pytest.raises(ValueError, match="gallery of 3"):
            rank(gallery, draw(1, 8, 0), wrong)
    with pytest.raises(ValueError, match="one index per query"):
        rank(gallery, draw(2, 8, 0), torch.tensor([1]))


def test_logits_are_no_codes_and_descriptors_have_unit_length():
    with pytest.raises(ValueError, match="sign of logits"):
        HammingGallery(4).add(torch.tensor([[0.2, -3.0, 0.0, 1.0]]))
    for wrong in (torch.ones(1, 4), torch.zeros(1, 4), torch.full((1, 4), torch.nan)):
        with pytest.raises(ValueError, match="unit length"):
            DenseGallery(4).add(wrong)
