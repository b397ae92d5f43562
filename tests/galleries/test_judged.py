import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.codes import sign
from recessive.galleries import DenseGallery, HammingGallery, average_precision
from recessive.galleries import gallery as gallery_module
from recessive.galleries.judged import Judgement, judged_map, trapezoid_average_precision
from recessive.visual_words import VisualWords


def walk(distances, judgement):
    """AP as one walks along the results: the area between each result and the one before it."""
    area, hits, rank, recall, precision = 0.0, 0, 0, 0.0, 1.0
    for item in sorted(range(len(distances)), key=lambda i: (distances[i], i)):
        if item in judgement.junk:
            continue
        rank += 1
        hits += item in judgement.positive
        recall_before, precision_before = recall, precision
        recall, precision = hits / max(1, len(judgement.positive)), hits / rank
        area += (recall - recall_before) * (precision_before + precision) / 2
    return area


def walked_precision(distances, judgement, k):
    """Precision of the first k results, or of those up to the last positive one if these are fewer."""
    if not judgement.positive:
        return 0.0
    order = sorted(range(len(distances)), key=lambda i: (distances[i], i))
    right = [item in judgement.positive for item in order if item not in judgement.junk]
    last = max(place for place, found in enumerate(right, 1) if found)
    return sum(right[: min(k, last)]) / min(k, last)


@st.composite
def rankings(draw):
    kinds = draw(st.lists(st.sampled_from(["positive", "junk", "wrong"]), min_size=1, max_size=25))
    distances = draw(st.lists(st.integers(0, 6), min_size=len(kinds), max_size=len(kinds)))
    positive, junk = (tuple(i for i, kind in enumerate(kinds) if kind == word) for word in ("positive", "junk"))
    return distances, Judgement(positive, junk)


# Results in the order of the gallery: + to be found, - junk, . wrong.
@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("+", 1),
        ("++..", 1),
        (".+", (0 + 1 / 2) / 2),
        ("..+.", (0 + 1 / 3) / 2),
        ("+.+", (1 + 1) / 4 + (1 / 2 + 2 / 3) / 4),  # 19/24, where the mean of precisions at hits is 20/24
        (".+.+", (0 + 1 / 2) / 4 + (1 / 3 + 2 / 4) / 4),  # 1/3
        ("..++", (0 + 1 / 3) / 4 + (1 / 3 + 2 / 4) / 4),
        ("-+", 1),  # junk first: the next photo has rank 1
        ("--+.-.+-", (1 + 1) / 4 + (1 / 3 + 2 / 4) / 4),  # as +..+
        ("+-+--", 1),
        (".-+", (0 + 1 / 2) / 2),
        ("...", 0),
        (".--.", 0),
        ("---", 0),
    ],
)
def test_known_areas(results, expected):
    judgement = Judgement(*(tuple(i for i, kind in enumerate(results) if kind == sort) for sort in "+-"))
    distances = torch.arange(len(results)).float()[None]
    assert trapezoid_average_precision(distances, [judgement]).tolist() == pytest.approx([expected])


def test_it_is_not_the_mean_of_precisions_at_hits():
    distances, right = torch.arange(3.0)[None], torch.tensor([[True, False, True]])
    assert average_precision(distances, right).item() == pytest.approx(20 / 24)
    assert trapezoid_average_precision(distances, [Judgement((0, 2), ())]).item() == pytest.approx(19 / 24)


def test_equal_distances_are_ordered_by_gallery_index():
    distances = torch.tensor([[1.0, 0, 1, 1]])
    assert trapezoid_average_precision(distances, [Judgement((3,), ())]).item() == pytest.approx((0 + 1 / 4) / 2)
    assert trapezoid_average_precision(distances, [Judgement((0,), ())]).item() == pytest.approx((0 + 1 / 2) / 2)
    assert trapezoid_average_precision(distances, [Judgement((3,), (0, 1))]).item() == pytest.approx((0 + 1 / 2) / 2)


@given(rankings())
def test_the_sum_over_positive_photos_is_the_walk_along_the_results(ranking):
    distances, judgement = ranking
    expected = pytest.approx([walk(distances, judgement)])
    for dtype, offset in ((torch.int16, 0), (torch.int16, -3), (torch.float32, 0)):  # sorted in different ways
        values = torch.tensor([distances], dtype=dtype) + offset
        assert trapezoid_average_precision(values, [judgement]).tolist() == expected


@given(rankings())
def test_the_order_in_which_photos_are_named_does_not_matter(ranking):
    distances, judgement = ranking
    turned = Judgement(judgement.positive[::-1], judgement.junk[::-1])
    first, second = (trapezoid_average_precision(torch.tensor([distances]), [j]) for j in (judgement, turned))
    assert torch.equal(first, second)


@pytest.mark.parametrize("kind", [HammingGallery, DenseGallery])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_report_is_that_of_walks(kind, threads, monkeypatch):
    monkeypatch.setattr(gallery_module, "SCRATCH_VALUES", 100)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    generator = torch.Generator().manual_seed(0)
    items, queries = (sign(torch.randn(count, 4, generator=generator)) for count in (40, 25))
    drawn = torch.rand(25, 40, generator=generator)
    judgements = [
        Judgement(tuple((row < 0.15).nonzero()[:, 0].tolist()), tuple((row > 0.8).nonzero()[:, 0].tolist()))
        for row in drawn
    ]
    judgements[3] = Judgement((), (1, 2))
    judgements[20] = Judgement((), ())
    gallery = kind(4)
    gallery.add(items if kind is HammingGallery else items / 2)

    report = judged_map(gallery, queries if kind is HammingGallery else queries / 2, judgements)
    distances = [[int((item != query).sum()) for item in items] for query in queries]
    walks = [walk(d, j) for d, j in zip(distances, judgements, strict=True)]
    assert report.average_precisions == pytest.approx(tuple(walks))
    assert report.map == pytest.approx(sum(walks) / 25)
    for k in (1, 5, 10):
        precisions = [walked_precision(d, j, k) for d, j in zip(distances, judgements, strict=True)]
        assert report.precision_at[k] == pytest.approx(sum(precisions) / 25)
        assert report.answerable.precision_at[k] == pytest.approx(sum(precisions) / 23)
    assert (report.queries, report.without_relevant) == (25, 2)
    assert report.answerable.map == pytest.approx(sum(walks) / 23)
    assert (report.answerable.queries, report.answerable.without_relevant) == (23, 0)
    assert len(report.answerable.average_precisions) == 23


def test_precisions_end_at_the_last_positive_photo():
    gallery = DenseGallery(2)
    angles = torch.arange(12) / 10
    gallery.add(torch.stack([angles.cos(), angles.sin()], dim=1))
    query = torch.tensor([[1.0, 0]])
    # ranks 2 and 4 without junk
    report = judged_map(gallery, query, [Judgement((2, 4), (0,))])
    assert report.precision_at == {1: 0, 5: 2 / 4, 10: 2 / 4}
    # ranks 1, 2 and 12
    report = judged_map(gallery, query, [Judgement((0, 1, 11), ())])
    assert report.precision_at == {1: 1, 5: 2 / 5, 10: 2 / 10}


class SharedWords:
    """A gallery of bags of words: 1 / (1 + words shared)."""

    def __init__(self):
        self.bags = []

    def __len__(self):
        return len(self.bags)

    def add(self, items):
        self.bags += items

    def distances(self, queries):
        for place, query in enumerate(queries):
            shared = [len(set(query.words.tolist()) & set(bag.words.tolist())) for bag in self.bags]
            yield slice(place, place + 1), 1 / (1 + torch.tensor([shared]))


def test_bags_of_words_are_judged_too():
    def bag(*words):
        values = torch.tensor(words, dtype=torch.int32).numpy()
        return VisualWords(values, values.astype("uint64"))

    gallery = SharedWords()
    gallery.add([bag(1, 2, 3), bag(3, 4), bag(5), bag(1, 2)])
    report = judged_map(gallery, [bag(1, 2, 3), bag(5), bag(9)], [Judgement(p, ()) for p in ((0, 1), (2,), (0,))])
    assert report.average_precisions == pytest.approx(((1 + 1) / 4 + (1 / 2 + 2 / 3) / 4, 1, 1))


def test_nothing_to_judge_has_a_mean_of_nothing():
    gallery = HammingGallery(8)
    for queries in (0, 2):
        report = judged_map(gallery, torch.ones(queries, 8), [Judgement((), ())] * queries)
        assert (report.map, report.queries, report.without_relevant) == (0.0, queries, queries)
        assert report.precision_at == {1: 0.0, 5: 0.0, 10: 0.0}
        assert (report.answerable.map, report.answerable.queries) == (0.0, 0)
    assert trapezoid_average_precision(torch.zeros(0, 3), []).shape == (0,)
    assert trapezoid_average_precision(torch.zeros(2, 3), [Judgement((), (0,))] * 2).dtype == torch.float64


def test_wrong_use_is_refused():
    gallery = HammingGallery(8)
    gallery.add(torch.ones(2, 8))
    with pytest.raises(ValueError, match="one judgement per query is needed: 1 for 3 queries"):
        judged_map(gallery, torch.ones(3, 8), [Judgement((0,), ())])
    with pytest.raises(ValueError, match="one judgement per query is needed: 2 for 1 queries"):
        trapezoid_average_precision(torch.zeros(1, 3), [Judgement((0,), ())] * 2)
    for outside in (Judgement((2,), ()), Judgement((0,), (2,))):
        with pytest.raises(ValueError, match="the judgement of query 1 names photo 2 of a gallery of 2"):
            judged_map(gallery, torch.ones(2, 8), [Judgement((1,), ()), outside])
    for positive, junk in (((1, 1), ()), ((1,), (1,)), ((), (2, 2))):
        with pytest.raises(ValueError, match="names a photo twice"):
            Judgement(positive, junk)
    with pytest.raises(ValueError, match="at least 0: -1"):
        Judgement((0,), (-1,))
