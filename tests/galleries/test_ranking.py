import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.codes import sign
from recessive.galleries import DenseGallery, HammingGallery, average_precision, mean_average_precision
from recessive.galleries import gallery as gallery_module


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


def test_wrong_use_is_refused():
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
