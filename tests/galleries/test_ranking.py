"""Ranking figures against naive loops over queries and photos."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.class_labels import relevant
from recessive.codes import sign
from recessive.galleries import (
    DenseGallery,
    HammingGallery,
    average_precision,
    mean_average_precision,
    precision_recall,
    precision_recall_by_rank,
    precision_within,
)
from recessive.galleries import gallery as gallery_module

QUERIES, PHOTOS, BITS, CLASSES = 23, 61, 6, 4


def naive_average_precision(distances, relevant, k):
    order = sorted(range(len(distances)), key=lambda i: (distances[i], i))[:k]
    hits, total = 0, 0.0
    for place, i in enumerate(order, 1):
        if relevant[i]:
            hits += 1
            total += hits / place
    return total / hits if hits else 0.0


@given(st.integers(1, 30), st.integers(1, 5), st.none() | st.integers(1, 40), st.integers(1, 6), st.integers(0, 99))
def test_average_precision_is_that_of_naive_loops(items, queries, k, distinct, seed):
    generator = torch.Generator().manual_seed(seed)
    distances = torch.randint(0, distinct, (queries, items), generator=generator)
    relevant = torch.rand(queries, items, generator=generator) < 0.3
    naive = [naive_average_precision(d, r, k) for d, r in zip(distances.tolist(), relevant.tolist(), strict=True)]
    for dtype in (torch.int16, torch.float32):
        # bytes, beyond bytes, below 0: sorted in different ways
        for asked in (distances, 300 * distances, distances - 2):
            assert average_precision(asked.to(dtype), relevant, k).tolist() == pytest.approx(naive)


def test_known_values():
    distances = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert average_precision(distances, torch.tensor([[True, False, True, False]])).item() == pytest.approx(5 / 6)
    assert average_precision(distances, torch.tensor([[False, False, False, True]]), k=3).item() == 0
    assert average_precision(torch.zeros(1, 4), torch.tensor([[False, False, True, True]])).item() == pytest.approx(
        5 / 12
    )


@pytest.mark.parametrize("k", [None, 1, 7])
@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize("kind", [HammingGallery, DenseGallery])
def test_the_mean_is_that_of_naive_loops(kind, leave_one_out, k, monkeypatch):
    monkeypatch.setattr(gallery_module, "SCRATCH_VALUES", 100)
    generator = torch.Generator().manual_seed(0)
    items = sign(torch.randn(40, 4, generator=generator))
    labels = torch.randint(0, 4, (40,), generator=generator)
    labels[3] = 9  # alone
    queries, asked = (items[:25], labels[:25]) if leave_one_out else (-items[:25], labels[:25] + 1)
    gallery = kind(4)
    gallery.add(items if kind is HammingGallery else items / 2)

    naive, without = [], 0
    for i in range(25):
        others = [j for j in range(40) if not (leave_one_out and i == j)]
        relevant = [bool(labels[j] == asked[i]) for j in others]
        distances = [int((items[j] != queries[i]).sum()) for j in others]
        naive.append(naive_average_precision(distances, relevant, k))
        without += not any(relevant)
    assert without > 0
    report = mean_average_precision(
        gallery,
        queries if kind is HammingGallery else queries / 2,
        asked,
        labels,
        k=k,
        leave_one_out=leave_one_out,
    )
    assert report.map == pytest.approx(sum(naive) / 25)
    assert (report.queries, report.without_relevant) == (25, without)


def test_no_query_has_a_mean_of_nothing():
    gallery = HammingGallery(8)
    report = mean_average_precision(gallery, torch.ones(0, 8), torch.ones(0), torch.ones(0))
    assert (report.map, report.queries, report.without_relevant) == (0.0, 0, 0)


def test_an_empty_gallery_holds_nothing_relevant():
    report = mean_average_precision(HammingGallery(8), torch.ones(2, 8), torch.ones(2), torch.ones(0))
    assert (report.map, report.queries, report.without_relevant) == (0.0, 2, 2)


def test_wrong_use_of_average_precision_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        average_precision(torch.zeros(2, 3), torch.zeros(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="at least 1"):
        average_precision(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool), k=0)
    gallery = HammingGallery(8)
    gallery.add(torch.ones(2, 8))
    with pytest.raises(ValueError, match="one label per query"):
        mean_average_precision(gallery, torch.ones(3, 8), torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match="first items of a gallery of 2"):
        mean_average_precision(gallery, torch.ones(3, 8), torch.ones(3), torch.ones(2), leave_one_out=True)


@pytest.mark.parametrize("k", [None, 5])
def test_photos_with_several_labels_are_relevant_when_they_share_one(k):
    generator = torch.Generator().manual_seed(0)
    items, queries = (sign(torch.randn(count, 5, generator=generator)) for count in (30, 8))
    labels, asked = (torch.rand(count, 3, generator=generator) < 0.3 for count in (30, 8))
    gallery = HammingGallery(5)
    gallery.add(items)
    naive = []
    for query, own in zip(queries, asked, strict=True):
        right = [any(a and b for a, b in zip(own.tolist(), label.tolist(), strict=True)) for label in labels]
        naive.append(naive_average_precision([int((item != query).sum()) for item in items], right, k))
    report = mean_average_precision(gallery, queries, asked, labels, k=k)
    assert report.map == pytest.approx(sum(naive) / 8)
    assert report.without_relevant == int((~asked.any(1)).sum())


def one_label(count, generator):
    labels = torch.randint(0, CLASSES, (count,), generator=generator)
    labels[0] = 50 + count  # alone
    return labels


def several_labels(count, generator):
    labels = torch.rand(count, CLASSES, generator=generator) < 0.3
    labels[0] = False  # none at all
    return labels


def shares(first, second):
    """Whether two photos are relevant to each other, label by label."""
    if first.ndim == 0:
        return int(first) == int(second)
    return any(a and b for a, b in zip(first.tolist(), second.tolist(), strict=True))


@pytest.fixture(params=[1, 2, 5], ids=lambda threads: f"{threads} threads")
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=[1, 100, 4_000_000], ids=lambda values: f"{values} at a time")
def scratch(request, monkeypatch):
    monkeypatch.setattr(gallery_module, "SCRATCH_VALUES", request.param)


@pytest.fixture(params=[one_label, several_labels])
def setting(request):
    """Codes with many ties, labels of one kind, and the same looked up by loops."""
    generator = torch.Generator().manual_seed(0)
    queries, items = (sign(torch.randn(n, BITS, generator=generator)) for n in (QUERIES, PHOTOS))
    query_labels, labels = (request.param(n, generator) for n in (QUERIES, PHOTOS))
    distances = [[int((item != query).sum()) for item in items] for query in queries]
    right = [[shares(asked, label) for label in labels] for asked in query_labels]
    assert not any(right[0])
    return queries, items, query_labels, labels, distances, right


def hold(items, kind=HammingGallery):
    gallery = kind(items.shape[1])
    gallery.add(items)
    return gallery


def test_relevant_photos_share_a_label(setting):
    _, _, query_labels, labels, _, right = setting
    found = relevant(query_labels, labels)
    assert found.dtype == torch.bool
    assert found.tolist() == right


@pytest.mark.usefixtures("scratch", "threads")
@pytest.mark.parametrize("radius", [-1, 0, 1, 2.5, BITS, float("inf")])
def test_precision_within_a_radius(setting, radius):
    queries, items, query_labels, labels, distances, right = setting
    precisions, empty = [], 0
    for row, own in zip(distances, right, strict=True):
        within = [good for distance, good in zip(row, own, strict=True) if distance <= radius]
        empty += not within
        precisions.append(sum(within) / len(within) if within else 0.0)
    report = precision_within(hold(items), queries, query_labels, labels, radius=radius)
    assert report.precision == pytest.approx(sum(precisions) / QUERIES)
    assert (report.radius, report.queries, report.empty) == (radius, QUERIES, empty)
    if radius == 0:
        assert 0 < empty < QUERIES


def test_two_is_the_usual_radius(setting):
    queries, items, query_labels, labels, _, _ = setting
    gallery = hold(items)
    usual = precision_within(gallery, queries, query_labels, labels)
    assert usual == precision_within(gallery, queries, query_labels, labels, radius=2)
    assert usual != precision_within(gallery, queries, query_labels, labels, radius=1)


def test_precision_within_a_cosine_distance():
    gallery = hold(torch.tensor([[1.0, 0], [0.6, 0.8], [0, 1], [-1, 0]]), DenseGallery)
    asked, labels = torch.tensor([[1.0, 0], [0, -1]]), torch.tensor([0, 1, 0, 0])
    for radius, expected, empty in ((0.0, 0.5, 1), (0.399, 0.5, 1), (0.401, 0.25, 1), (2.0, 0.5 * (3 / 4 + 1 / 4), 0)):
        report = precision_within(gallery, asked, torch.tensor([0, 1]), labels, radius=radius)
        assert (report.precision, report.empty) == (pytest.approx(expected), empty)


def naive_curve(returned, right):
    """Of each query what it returns at each point, nested lists of bools, to mean precision, recall and share empty."""
    points = []
    for chosen in returned:
        precision = recall = empty = 0.0
        for some, own in zip(chosen, right, strict=True):
            hits = sum(a and b for a, b in zip(some, own, strict=True))
            precision += hits / sum(some) if any(some) else 0.0
            recall += hits / sum(own) if any(own) else 0.0
            empty += not any(some)
        points.append((precision / QUERIES, recall / QUERIES, empty / QUERIES))
    return points


def check(curve, at, points, right):
    assert curve.at == at
    for found, expected in zip((curve.precision, curve.recall, curve.empty), zip(*points, strict=True), strict=True):
        assert found == pytest.approx(expected)
    assert curve.queries == QUERIES
    assert curve.without_relevant == sum(not any(own) for own in right) > 0


@pytest.mark.usefixtures("scratch", "threads")
def test_precision_and_recall_over_all_radii(setting):
    queries, items, query_labels, labels, distances, right = setting
    returned = [[[d <= radius for d in row] for row in distances] for radius in range(BITS + 1)]
    curve = precision_recall(hold(items), queries, query_labels, labels)
    check(curve, tuple(range(BITS + 1)), naive_curve(returned, right), right)
    assert curve.empty[0] > 0 == curve.empty[-1]
    assert list(curve.recall) == sorted(curve.recall)
    usual = precision_within(hold(items), queries, query_labels, labels, radius=2)
    assert curve.precision[2] == pytest.approx(usual.precision)


@pytest.mark.usefixtures("scratch", "threads")
@pytest.mark.parametrize("kind", [HammingGallery, DenseGallery])
def test_precision_and_recall_by_rank(setting, kind):
    queries, items, query_labels, labels, distances, right = setting
    order = [sorted(range(PHOTOS), key=lambda i, row=row: (row[i], i)) for row in distances]
    ranks = (1, 2, 10, PHOTOS)
    returned = [[[i in places[:r] for i in range(PHOTOS)] for places in order] for r in ranks]
    length = 1 if kind is HammingGallery else BITS**0.5
    gallery = hold(items / length, kind)
    curve = precision_recall_by_rank(gallery, queries / length, query_labels, labels, ranks)
    check(curve, ranks, naive_curve(returned, right), right)
    assert curve.empty == (0, 0, 0, 0)


def test_long_codes_have_distances_beyond_a_byte():
    generator = torch.Generator().manual_seed(0)
    items = torch.cat([torch.ones(1, 300), -torch.ones(1, 300), sign(torch.randn(20, 300, generator=generator))])
    labels = torch.arange(22) % 2
    curve = precision_recall(hold(items), items[:2], labels[:2], labels)
    assert len(curve.at) == 301
    assert (curve.recall[0], curve.recall[299], curve.recall[300]) == (1 / 11, 1.0, 1.0)
    by_rank = precision_recall_by_rank(hold(items), items[:1], labels[1:2], labels, (21, 22))
    assert by_rank.recall == (10 / 11, 1.0)  # its opposite is the very last
    assert by_rank.precision == (10 / 21, 0.5)


def test_no_query_has_figures_of_nothing():
    gallery, none, labels = hold(torch.ones(3, 4)), torch.ones(0, 4), torch.zeros(3)
    assert precision_within(gallery, none, torch.zeros(0), labels).precision == 0
    curve = precision_recall(gallery, none, torch.zeros(0), labels)
    assert (curve.precision, curve.queries, curve.without_relevant) == ((0.0,) * 5, 0, 0)
    assert precision_recall_by_rank(gallery, none, torch.zeros(0), labels, (1,)).recall == (0.0,)


def test_an_empty_gallery_returns_nothing():
    gallery, asked = HammingGallery(4), torch.ones(2, 4)
    report = precision_within(gallery, asked, torch.zeros(2), torch.zeros(0))
    assert (report.precision, report.empty) == (0, 2)
    curve = precision_recall(gallery, asked, torch.zeros(2), torch.zeros(0))
    assert (curve.precision, curve.empty, curve.without_relevant) == ((0.0,) * 5, (1.0,) * 5, 2)


def test_wrong_use_is_refused():
    gallery, asked, labels = hold(torch.ones(3, 4)), torch.ones(2, 4), torch.zeros(3, dtype=torch.int64)
    for figure in (mean_average_precision, precision_within, precision_recall):
        with pytest.raises(ValueError, match="3 for 2 queries, 3 for 3 photos"):
            figure(gallery, asked, labels, labels)
        with pytest.raises(ValueError, match=r"\(N,\) or \(N, L\) bool"):
            figure(gallery, asked, labels[:2], torch.zeros(3, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(2, 5\) torch.float32 and \(3, 5\) torch.bool"):
        relevant(torch.zeros(2, 5), torch.zeros(3, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(2, 5\) torch.bool and \(3, 6\) torch.bool"):
        relevant(torch.zeros(2, 5, dtype=torch.bool), torch.zeros(3, 6, dtype=torch.bool))
    for ranks in ((), (0,), (1, 4), (-1, 2)):
        with pytest.raises(ValueError, match="from 1 to 3"):
            precision_recall_by_rank(gallery, asked, labels[:2], labels, ranks)
