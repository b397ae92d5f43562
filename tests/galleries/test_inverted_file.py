"""Inverted files: distances written out by hand, then a dictionary that follows the formulas, then files and misuse."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.galleries import gallery as gallery_module
from recessive.galleries import inverted_file as inverted_file_module
from recessive.galleries import mean_average_precision, rank
from recessive.galleries.inverted_file import InvertedFile, Postings, burst_votes, votes, word_scores
from recessive.visual_words import VisualWords

SCORINGS = ["words", "hamming", "burstiness"]
every_scoring = pytest.mark.parametrize("scoring", SCORINGS)


def bag(*features):
    """A photo's words from pairs (word, signature)."""
    words, signatures = zip(*features, strict=True) if features else ((), ())
    return VisualWords(np.array(words, np.int32), np.array(signatures, np.uint64))


def bits(count):
    """A signature that differs from 0 in so many bits."""
    return 2**count - 1


def filled(scoring, photos, words=8, threshold=24):
    gallery = InvertedFile(words, scoring, threshold)
    gallery.add(photos)
    return gallery


def distances(gallery, queries):
    return torch.cat([part for _, part in gallery.distances(queries)])


# Three photos. Word 0 occurs in one of them, 1 and 2 in two each: idf is A, B, B.
A, B = math.log(3), math.log(3 / 2)
PHOTOS = [
    bag((0, bits(0)), (0, bits(24)), (1, bits(3))),
    bag((2, bits(0)), (1, bits(25))),
    bag((2, bits(64))),
]
QUERY = bag((1, bits(0)), (0, bits(8)))
NORM = math.sqrt(A**2 + B**2)


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=2e-7)


def test_words_by_hand():
    # tf-idf vectors: query (A, B, 0); photos (2A, B, 0), (0, B, B), (0, 0, B).
    expected = [
        1 - (2 * A**2 + B**2) / (NORM * math.sqrt(4 * A**2 + B**2)),
        1 - B**2 / (NORM * math.sqrt(2 * B**2)),
        1.0,
    ]
    close(distances(filled("words", PHOTOS), [QUERY]), [expected])


def test_hamming_by_hand():
    # Word 0: the query's 8 bits from 0 bits differ in 8, from 24 in 16: two votes for photo 0. Word 1: from 3 bits in
    # 3: a vote for photo 0; from 25 in 25: none for photo 1.
    expected = [1 - (2 * A**2 + B**2) / (NORM * math.sqrt(4 * A**2 + B**2)), 1.0, 1.0]
    close(distances(filled("hamming", PHOTOS), [QUERY]), [expected])
    # With a threshold of 25, photo 1 has its vote as well; with 8 photo 0 loses one, with 7 another, with 2 the last.
    for threshold, own, other in ((25, 2 * A**2 + B**2, B**2), (8, A**2 + B**2, 0), (7, B**2, 0), (2, 0, 0)):
        expected = [1 - own / (NORM * math.sqrt(4 * A**2 + B**2)), 1 - other / (NORM * math.sqrt(2 * B**2)), 1.0]
        close(distances(filled("hamming", PHOTOS, threshold=threshold), [QUERY]), [expected])


def test_burstiness_by_hand():
    # The feature of word 0 has two matches in photo 0, at 8 and 16 bits, that of word 1 has one, at 3. The photo's
    # features weigh A², A², B².
    votes = A**2 * (math.exp(-64 / 256) + math.exp(-256 / 256)) / math.sqrt(2) + B**2 * math.exp(-9 / 256)
    expected = [1 - votes / (NORM * math.sqrt(2 * A**2 + B**2)), 1.0, 1.0]
    close(distances(filled("burstiness", PHOTOS), [QUERY]), [expected])
    # With a threshold of 8, the match at 16 bits is none: neither its weight nor the root of two.
    votes = A**2 * math.exp(-64 / 256) + B**2 * math.exp(-9 / 256)
    expected = [1 - votes / (NORM * math.sqrt(2 * A**2 + B**2)), 1.0, 1.0]
    close(distances(filled("burstiness", PHOTOS, threshold=8), [QUERY]), [expected])


def test_repeated_structure_votes_many_times_over_unless_bursts_are_held_back():
    # Three equal features in the query, four in photo 0, and another word's feature each. Two photos: idf = ln 2 = L.
    # Hamming: 3 · 4 + 1 votes of L²; norms √(9 + 1) L and √(16 + 1) L.
    # Burstiness: three features with 4 / √4 each and one with 1; norms √(9 + 1) L and √(4 + 1) L.
    photos = [bag(*[(0, 5)] * 4, (1, 9)), bag((2, 0))]
    query = [bag(*[(0, 5)] * 3, (1, 9))]
    close(distances(filled("hamming", photos), query), [[1 - 13 / math.sqrt(10 * 17), 1.0]])
    close(distances(filled("burstiness", photos), query), [[1 - 7 / math.sqrt(10 * 5), 1.0]])


@every_scoring
def test_a_copy_is_at_exactly_zero_and_nothing_is_beyond_one(scoring):
    photos = [draw(seed, words=300, features=40, repeats=scoring == "words") for seed in range(20)]
    assert min(map(len, photos)) > 0
    found = distances(filled(scoring, photos, words=300), photos)
    assert found.diagonal().tolist() == [0] * 20
    assert float(found.min()) == 0
    assert float(found.max()) <= 1


def test_no_distance_is_below_zero():
    # Each feature three times over: the cosine is 1, which rounding may exceed.
    queries = [draw(seed, words=300, features=40, repeats=False) for seed in range(100)]
    photos = [VisualWords(query.words.repeat(3), query.signatures.repeat(3)) for query in queries]
    found = distances(filled("words", photos, words=300), queries)
    assert float(found.min()) == 0
    assert float(found.diagonal().max()) < 1e-12


def draw(seed, words=12, features=20, *, repeats=True):
    """Random features: few words, so that most are repeated, and signatures near one of four."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, features + 1)) if repeats else features
    near = np.random.default_rng(0).integers(0, 2**64, 4, dtype=np.uint64)[rng.integers(0, 4, count)]
    turned = (rng.random((count, 64)) < rng.uniform(0, 0.4)) @ (np.uint64(1) << np.arange(64, dtype=np.uint64))
    places = rng.integers(0, words, count) if repeats else rng.choice(words, count, replace=False)
    return VisualWords(places.astype(np.int32), near ^ turned.astype(np.uint64))


def naive(scoring, photos, queries, threshold, others=None):
    """Distances by the formulas, a feature at a time; idf is that of `photos`, those compared are `others`."""
    containing = Counter(word for photo in photos for word in set(photo.words.tolist()))

    def idf(word):
        return math.log(len(photos) / max(1, containing[word])) if photos else 1.0

    def norm(photo, power):
        counts = Counter(photo.words.tolist())
        return math.sqrt(sum(count**power * idf(word) ** 2 for word, count in counts.items()))

    def score(query, photo):
        own = defaultdict(list)
        for word, signature in zip(photo.words.tolist(), photo.signatures.tolist(), strict=True):
            own[word].append(signature)
        total = 0.0
        for word, signature in zip(query.words.tolist(), query.signatures.tolist(), strict=True):
            bits = [(signature ^ other).bit_count() for other in own[word]]
            near = [count for count in bits if count <= threshold]
            if scoring == "words":
                total += idf(word) ** 2 * len(bits)
            elif scoring == "hamming":
                total += idf(word) ** 2 * len(near)
            elif near:
                total += idf(word) ** 2 * sum(math.exp(-((h / 16) ** 2)) for h in near) / math.sqrt(len(near))
        return total

    def distance(query, photo):
        norms = norm(query, 2) * norm(photo, 1 if scoring == "burstiness" else 2)
        return 1 - score(query, photo) / norms if norms else 1.0

    others = photos if others is None else others
    return torch.tensor([[distance(query, photo) for photo in others] for query in queries]).view(
        len(queries), len(others)
    )


@given(st.sampled_from(SCORINGS), st.integers(0, 12), st.integers(0, 5), st.integers(0, 64), st.integers(0, 10**6))
def test_it_is_what_a_dictionary_finds(scoring, photos, queries, threshold, seed):
    held = [draw(seed + place) for place in range(photos)]
    asked = [draw(seed + 100 + place) for place in range(queries)]
    gallery = filled(scoring, held, words=12, threshold=threshold)
    expected = naive(scoring, held, asked, threshold)
    found = distances(gallery, asked)
    assert found.dtype == torch.float32
    assert found.shape == (queries, photos)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)

    others = [draw(seed + 200 + place) for place in range(queries)]
    expected = naive(scoring, held, asked, threshold, others).diagonal()
    torch.testing.assert_close(gallery.between(asked, others), expected, rtol=0, atol=1e-6)


@every_scoring
@pytest.mark.parametrize(("block", "part", "scratch"), [(1, 1, 1), (3, 10, 50), (50, 100, 4_000_000)])
def test_the_size_of_what_is_worked_on_at_a_time_changes_no_bit(scoring, block, part, scratch, monkeypatch):
    photos, queries = ([draw(seed, words=6, features=20) for seed in some] for some in (range(20), range(50, 57)))
    at_once = filled(scoring, photos, words=6)
    expected, arrays = distances(at_once, queries), at_once.arrays()
    monkeypatch.setattr(inverted_file_module, "_BLOCK", block)
    monkeypatch.setattr(inverted_file_module, "_PART", part)
    monkeypatch.setattr(gallery_module, "SCRATCH_VALUES", scratch)
    gallery = filled(scoring, photos, words=6)
    assert torch.equal(distances(gallery, queries), expected)
    for name, values in gallery.arrays().items():
        np.testing.assert_array_equal(values, arrays[name])
    assert len(list(gallery.distances(queries))) == math.ceil(7 / max(1, scratch // 20))


@every_scoring
def test_photos_with_the_same_features_are_ties_whatever_their_order(scoring):
    rng = np.random.default_rng(0)
    one = draw(1, words=5, features=400)
    photos = [draw(2, words=5, features=50)]
    for _ in range(30):
        order = rng.permutation(len(one))
        photos.append(VisualWords(one.words[order], one.signatures[order]))
    photos.append(draw(3, words=5, features=50))
    gallery = filled(scoring, [*photos, bag((5, 0))], words=6)
    query = draw(4, words=5, features=300)
    hits = gallery.search([query], 32)
    assert [i for i in hits.indices[0].tolist() if 1 <= i <= 30] == list(range(1, 31))

    # In double precision, before rounding could hide a difference; and the query's order says nothing either.
    order = rng.permutation(len(query))
    other = VisualWords(query.words[order], query.signatures[order])
    held, weights = Postings.of(photos, 6), rng.random(6)
    score = {
        "words": lambda asked: word_scores(asked, held, weights),
        "hamming": lambda asked: votes(asked, held, weights, 24),
        "burstiness": lambda asked: burst_votes(asked, held, weights, 24),
    }[scoring]
    assert len(set(score(query)[1:31].tolist())) == 1
    assert score(query).tolist() == score(other).tolist()


@every_scoring
def test_searches_counts_and_ranks_follow_from_distances(scoring):
    photos, queries = ([draw(seed) for seed in some] for some in (range(50), range(60, 66)))
    gallery = filled(scoring, photos, words=12)
    rows = distances(gallery, queries).tolist()
    order = [sorted(range(50), key=lambda i, row=row: (row[i], i)) for row in rows]
    hits = gallery.search(queries, 7)
    assert hits.indices.tolist() == [places[:7] for places in order]
    assert hits.distances.tolist() == [[row[i] for i in places[:7]] for row, places in zip(rows, order, strict=True)]
    assert gallery.search(queries, 99).indices.tolist() == order
    for radius in (-1, 0, rows[0][3], math.nextafter(rows[0][3], 0), 0.6, 1, math.inf):
        assert gallery.count_within(queries, radius).tolist() == [sum(d <= radius for d in row) for row in rows]
    wanted = torch.tensor([3, 1, 4, 1, 5, 9])
    expected = [places.index(int(i)) + 1 for places, i in zip(order, wanted, strict=True)]
    assert rank(gallery, queries, wanted).tolist() == expected


@every_scoring
def test_pairs_are_measured_as_in_the_gallery(scoring):
    photos, queries = ([draw(seed) for seed in some] for some in (range(20), range(30, 50)))
    gallery = filled(scoring, photos, words=12)
    assert torch.equal(gallery.between(queries, photos), distances(gallery, queries).diagonal())
    assert gallery.between([], []).shape == (0,)


def test_pairs_of_words_that_the_gallery_has_not():
    # No photo has word 1: it counts as a word of one of four, idf = ln 4; word 0 is in two, idf = ln 2.
    gallery = filled("words", [bag((0, 0)), bag((0, 0)), bag((2, 0)), bag((3, 0))])
    rare, common = math.log(4), math.log(2)
    expected = 1 - rare**2 / (math.hypot(rare, common) * rare)
    close(gallery.between([bag((0, 0), (1, 0))], [bag((1, 0))]), [expected])
    # In an empty gallery all words weigh the same: (1, 1) and (0, 2) have the cosine 2 / (√2 · 2).
    empty = InvertedFile(8, "words")
    close(empty.between([bag((0, 0), (1, 0))], [bag((1, 0), (1, 0))]), [1 - 1 / math.sqrt(2)])


@every_scoring
def test_an_empty_gallery_finds_nothing(scoring):
    gallery = InvertedFile(8, scoring)
    assert len(gallery) == 0
    gallery.add([])
    hits = gallery.search([QUERY, bag()], 3)
    assert hits.indices.shape == hits.distances.shape == (2, 0)
    assert gallery.count_within([QUERY], 2).tolist() == [0]
    assert gallery.photos() == []
    assert distances(gallery, []).shape == (0, 0)
    assert distances(filled(scoring, PHOTOS), []).shape == (0, 3)


@every_scoring
def test_what_has_no_features_is_at_one_from_everything(scoring):
    gallery = filled(scoring, [bag(), *PHOTOS, bag()])
    assert len(gallery) == 5
    assert distances(gallery, [bag()]).tolist() == [[1] * 5]
    assert distances(gallery, [QUERY])[0, [0, 4]].tolist() == [1, 1]
    assert gallery.between([bag(), QUERY, bag()], [PHOTOS[0], bag(), bag()]).tolist() == [1, 1, 1]
    only_empty = filled(scoring, [bag(), bag()])
    assert distances(only_empty, [QUERY, bag()]).tolist() == [[1, 1], [1, 1]]


@every_scoring
def test_words_that_all_photos_have_say_nothing(scoring):
    assert distances(filled(scoring, [PHOTOS[0]]), [PHOTOS[0]]).tolist() == [[1]]
    gallery = filled(scoring, [bag((0, 0)), bag((0, 0), (1, 0))])
    assert distances(gallery, [bag((0, 0)), bag((0, 0), (1, 0))]).tolist() == [[1, 1], [1, 0]]


@every_scoring
@pytest.mark.parametrize("searched_between", [False, True])
def test_photos_added_one_by_one_are_those_added_at_once(scoring, searched_between):
    photos, queries = ([draw(seed) for seed in some] for some in (range(25), range(30, 34)))
    at_once, gallery = filled(scoring, photos, words=12), InvertedFile(12, scoring)
    for count, photo in enumerate(photos, 1):
        gallery.add([photo])
        assert len(gallery) == count
        if searched_between and count % 3 == 0:
            expected = distances(filled(scoring, photos[:count], words=12), queries)
            assert torch.equal(distances(gallery, queries), expected)
    arrays = at_once.arrays()
    for name, values in gallery.arrays().items():
        assert values.dtype == arrays[name].dtype
        np.testing.assert_array_equal(values, arrays[name])


def test_what_was_added_stays_when_the_callers_arrays_change():
    photo = bag((0, 3), (1, 5))
    gallery = filled("hamming", [photo, bag((2, 0))])
    photo.words[:], photo.signatures[:] = 2, 0
    assert distances(gallery, [bag((0, 3), (1, 5))]).tolist() == [[0, 1]]


def test_photos_come_back_by_word():
    photos = [bag((3, 1), (0, 2), (3, 0)), bag(), bag((1, 7)), bag()]
    back = filled("words", photos).photos()
    assert [photo.words.tolist() for photo in back] == [[0, 3, 3], [], [1], []]
    assert [photo.signatures.tolist() for photo in back] == [[2, 1, 0], [], [7], []]


@every_scoring
def test_vocabularies_beyond_sixteen_bits(scoring):
    places = np.random.default_rng(0).choice(200_000, 40)
    photos = [draw(seed, words=40) for seed in range(12)]
    spread = [VisualWords(places[photo.words].astype(np.int32), photo.signatures) for photo in photos]
    gallery = filled(scoring, spread, words=200_000)
    expected = naive(scoring, photos, photos[:5], 24)
    torch.testing.assert_close(distances(gallery, spread[:5]), expected, rtol=0, atol=1e-6)
    for photo, back in zip(spread, gallery.photos(), strict=True):
        features = zip(photo.words.tolist(), photo.signatures.tolist(), strict=True)
        found = zip(back.words.tolist(), back.signatures.tolist(), strict=True)
        assert sorted(features) == sorted(found)


def on_disk(gallery, folder):
    """Its arrays as read-only memory maps."""
    for name, values in gallery.arrays().items():
        np.save(folder / f"{name}.npy", values)
    return {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}


@every_scoring
def test_a_gallery_on_disk_is_searched_where_it_lies_and_added_to(scoring, tmp_path):
    photos, queries = ([*map(draw, some), bag()] for some in (range(20), range(30, 36)))
    arrays = on_disk(filled("hamming", photos, words=12), tmp_path)
    gallery = InvertedFile.from_arrays(arrays, 12, scoring, threshold=20)
    for name, values in gallery.arrays().items():
        assert np.shares_memory(values, arrays[name])
    expected = filled(scoring, photos, words=12, threshold=20)
    assert len(gallery) == 21
    assert torch.equal(distances(gallery, queries), distances(expected, queries))
    assert torch.equal(gallery.between(queries, queries), expected.between(queries, queries))

    again = filled(scoring, gallery.photos(), words=12)
    for name, values in again.arrays().items():
        np.testing.assert_array_equal(values, arrays[name])

    for some in (queries[:2], queries[2:]):
        gallery.add(some)
    more = filled(scoring, [*photos, *queries], words=12, threshold=20)
    assert torch.equal(distances(gallery, queries), distances(more, queries))


def test_an_empty_gallery_on_disk():
    gallery = InvertedFile.from_arrays(InvertedFile(8).arrays(), 8)
    assert len(gallery) == 0
    gallery.add(PHOTOS)
    assert torch.equal(distances(gallery, [QUERY]), distances(filled("hamming", PHOTOS), [QUERY]))


def test_arrays_by_hand():
    arrays = filled("hamming", PHOTOS, words=4).arrays()
    assert arrays["offsets"].tolist() == [0, 2, 4, 6, 6]
    assert arrays["photos"].tolist() == [0, 0, 0, 1, 1, 2]
    assert arrays["signatures"].tolist() == [bits(0), bits(24), bits(3), bits(25), bits(0), bits(64)]
    assert arrays["frequencies"].tolist() == [1, 2, 2, 0]
    expected = [[4 * A**2 + B**2, 2 * B**2, B**2], [2 * A**2 + B**2, 2 * B**2, B**2]]
    np.testing.assert_allclose(arrays["squared_norms"], expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("photos", None, "also has the arrays photos"),
        ("photos", np.zeros(6, np.int64), "photos are int64, not int32"),
        ("signatures", np.zeros(6, np.int64), "signatures are int64, not uint64"),
        ("signatures", np.zeros(5, np.uint64), r"signatures have the shape \(5,\), not \(6,\)"),
        ("photos", np.zeros((2, 3), np.int32), r"photos have the shape \(2, 3\), not \(6,\)"),
        ("offsets", np.array([0, 2, 4, 6], np.int64), r"offsets have the shape \(4,\), not \(5,\)"),
        ("offsets", np.array([1, 2, 4, 6, 6], np.int64), "offsets do not go up from 0 to 6"),
        ("offsets", np.array([0, 2, 4, 6, 7], np.int64), "offsets do not go up from 0 to 6"),
        ("offsets", np.array([0, 5, 4, 6, 6], np.int64), "offsets do not go up from 0 to 6"),
        ("photos", np.array([0, 0, 0, 1, 1, 3], np.int32), "not all photos are among 3"),
        ("photos", np.array([-1, 0, 0, 1, 1, 2], np.int32), "not all photos are among 3"),
        ("photos", np.array([0, 0, 1, 0, 1, 2], np.int32), "the photos of a word are not in order"),
        ("frequencies", np.array([1, 2, 2, 1], np.int64), "frequencies do not fit"),
        ("frequencies", np.array([0, 2, 2, 0], np.int64), "frequencies do not fit"),
        ("frequencies", np.array([1, 2, 2], np.int64), r"frequencies have the shape \(3,\), not \(4,\)"),
        ("squared_norms", np.zeros(3), r"squared_norms have the shape \(3,\), not \(2, 3\)"),
        ("squared_norms", np.array(1.0), r"squared_norms have the shape \(\), not \(2, 0\)"),
        ("squared_norms", np.full((2, 3), np.nan), "not all finite"),
        ("squared_norms", np.full((2, 3), -1.0), "at least 0"),
        ("squared_norms", np.zeros((2, 2)), "not all photos are among 2"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name, values, message):
    arrays = filled("hamming", PHOTOS, words=4).arrays()
    InvertedFile.from_arrays(arrays, 4)
    if values is None:
        del arrays[name]
    else:
        arrays[name] = values
    with pytest.raises(ValueError, match=message):
        InvertedFile.from_arrays(arrays, 4)


@every_scoring
def test_wrong_use_is_refused(scoring):
    gallery = filled(scoring, PHOTOS, words=4)
    wrong = [QUERY, bag((1, 0), (4, 0))]
    for call in (
        gallery.add,
        lambda bags: gallery.search(bags, 1),
        lambda bags: gallery.count_within(bags, 1),
        lambda bags: gallery.between(bags, PHOTOS[:2]),
        lambda bags: gallery.between(PHOTOS[:2], bags),
    ):
        with pytest.raises(ValueError, match="photo 1 has the word 4, outside this vocabulary of 4"):
            call(wrong)
    assert len(gallery) == 3
    with pytest.raises(ValueError, match="at least 1"):
        gallery.search([QUERY], 0)
    with pytest.raises(ValueError, match="of equal length, not of 1 and 2"):
        gallery.between([QUERY], PHOTOS[:2])
    with pytest.raises(ValueError, match="at least one word"):
        InvertedFile(0, scoring)
    for threshold in (-1, 65):
        with pytest.raises(ValueError, match="0 to 64 bits"):
            InvertedFile(4, scoring, threshold)


def test_scorings_have_names():
    with pytest.raises(ValueError, match="words, hamming, burstiness, not 'bm25'"):
        InvertedFile(4, "bm25")


@every_scoring
def test_mean_average_precision(scoring):
    # Queries find photos of their own word first. Query 0: photos 0 and 2 are nearest and both relevant: AP 1. Query
    # 1: photo 1 is nearest and not relevant, the others are at distance 1, photos 0 and 2 at ranks 2 and 3: AP 7/12.
    photos = [bag((0, 0)), bag((1, 0)), bag((0, 0)), bag((2, 0))]
    queries = [bag((0, 0)), bag((1, 0))]
    labels = torch.tensor([5, 6, 5, 7])
    report = mean_average_precision(filled(scoring, photos), queries, torch.tensor([5, 5]), labels)
    assert report.map == pytest.approx((1 + 7 / 12) / 2)
    assert report.queries == 2
    alone = mean_average_precision(filled(scoring, photos), photos, labels, labels, leave_one_out=True)
    assert (alone.map, alone.without_relevant) == (0.5, 2)
