"""Vocabularies: words and signatures worked out by hand, storage that changes nothing, clear errors."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from recessive.encoders import EncoderError
from recessive.encoders.features import vocabulary as module
from recessive.encoders.features.vocabulary import (
    EXACT,
    Vocabulary,
    build,
    distinct,
    k_means,
    medians,
    nearest,
    orthogonal_rows,
)


def descriptors(count, seed=0):
    values = np.random.default_rng(seed).random((count, 128), np.float32) ** 4
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def made(words=3, seed=0):
    generator = np.random.default_rng(seed)
    projection = np.linalg.qr(generator.standard_normal((128, 128)))[0][:64]
    return Vocabulary(descriptors(words, seed), projection.astype(np.float32), generator.normal(0, 0.1, (words, 64)))


def by_hand():
    """Two words; bit i looks at component i, whose threshold is i for word 0, and 100 for word 1."""
    words = np.zeros((2, 128), np.float32)
    words[0], words[1] = 0, 255
    thresholds = np.stack([np.arange(64), np.full(64, 100)]).astype(np.float32)
    return Vocabulary(words, np.eye(64, 128, dtype=np.float32), thresholds)


def test_words_and_signatures_of_a_vocabulary_made_by_hand():
    asked = np.zeros((4, 128), np.float32)
    asked[0, [1, 5, 63]] = 1, 6, 64  # 1 > 1 does not hold, 6 > 5 and 64 > 63 do
    asked[1, 0] = 0.5  # 0.5 > 0
    asked[2] = 200  # nearer to 255; 200 > 100
    asked[3] = 130
    asked[3, 2] = 100  # 100 > 100 does not hold
    found = by_hand().assign(asked)
    assert found.words.tolist() == [0, 0, 1, 1]
    everything = 2**64 - 1
    assert found.signatures.tolist() == [2**5 + 2**63, 1, everything, everything - 2**2]
    assert found.words.dtype == np.int32
    assert found.signatures.dtype == np.uint64


def test_values_are_rounded_to_what_a_byte_holds():
    words = np.zeros((1, 128), np.float32)
    words[0, :4] = 100, 60.2, 0.3, 0.2  # at most 255 · ½, so that steps are ½
    thresholds = np.zeros((1, 64), np.float32)
    thresholds[0, :3] = -1.5, 0.012, 0.9  # at most 127/64, so that steps are 1/64
    held = Vocabulary(words, np.eye(64, 128), thresholds)
    assert held.words[0, :4].tolist() == [100, 60, 0.5, 0]
    assert held.thresholds[0, :3].tolist() == [-1.5, 1 / 64, 58 / 64]
    again = Vocabulary(held.words, held.projection, held.thresholds)
    assert np.array_equal(again.words, held.words)
    assert np.array_equal(again.thresholds, held.thresholds)


@pytest.mark.parametrize("largest", [255.0, 127.5, 1.0, 255 / 512, np.nextafter(np.float32(255 / 512), np.float32(1))])
def test_rounding_is_by_half_a_step_at_most_and_only_once(largest):
    words = descriptors(50) / descriptors(50).max() * largest
    held = Vocabulary(words, np.eye(64, 128), np.zeros((50, 64)))
    assert np.abs(held.words - words).max() <= largest / 255  # a step is less than twice that
    assert np.array_equal(Vocabulary.from_tensors(held.tensors()).words, held.words)


@pytest.mark.parametrize("vocabulary", [made(), by_hand(), made(400, seed=2)])
def test_what_was_saved_comes_back(tmp_path, vocabulary):
    path = tmp_path / "words.any-name"
    vocabulary.save(path)
    loaded = Vocabulary.load(path)
    for name in ("words", "projection", "thresholds"):
        assert np.array_equal(getattr(loaded, name), getattr(vocabulary, name))
        assert getattr(loaded, name).dtype == np.float32
    assert loaded.digest == vocabulary.digest
    asked = descriptors(100, seed=9)
    assert np.array_equal(loaded.assign(asked).words, vocabulary.assign(asked).words)
    assert np.array_equal(loaded.assign(asked).signatures, vocabulary.assign(asked).signatures)
    assert path.stat().st_size < 192 * len(vocabulary) + 4 * 64 * 128 + 1000


def test_the_digest_tells_contents_apart():
    base = made()
    digests = {base.digest, made(seed=1).digest, made(words=4).digest}
    for name in ("words", "projection", "thresholds"):
        changed = {key: getattr(base, key).copy() for key in ("words", "projection", "thresholds")}
        changed[name][0, 0] += 0.05
        digests.add(Vocabulary(**changed).digest)
    assert len(digests) == 6
    assert made().digest == base.digest
    assert len(base.digest) == 64


def test_training_finds_clusters_and_their_medians():
    generator = np.random.default_rng(0)
    centres = np.zeros((2, 128), np.float32)
    centres[0, :64], centres[1, 64:] = 100, 100
    places = np.arange(200) % 2
    samples = centres[places] + generator.integers(0, 9, (200, 128)).astype(np.float32)
    vocabulary = Vocabulary.train(samples, 2, seed=3)
    found = vocabulary.assign(samples)
    swapped = found.words[0] != places[0]
    assert np.array_equal(found.words, 1 - places if swapped else places)
    expected = np.stack([samples[places == place].mean(axis=0) for place in ((1, 0) if swapped else (0, 1))])
    assert np.abs(vocabulary.words - expected).max() <= 0.25 + 1e-3  # steps of ½
    # Of a word's 100 samples, 50 lie above each bit's median; rounded to bytes, a few more or less.
    bits = np.unpackbits(found.signatures.view(np.uint8).reshape(-1, 8), axis=1)
    for word in (0, 1):
        share = bits[found.words == word].mean(axis=0)
        assert share.mean() == pytest.approx(0.5, abs=0.05)
        assert ((share > 0.1) & (share < 0.9)).all()


def test_neighbours_have_signatures_at_small_distance():
    samples = descriptors(2000)
    vocabulary = Vocabulary.train(samples, 5)
    moved = samples + np.random.default_rng(1).normal(0, 0.004, samples.shape).astype(np.float32)
    one, other = vocabulary.assign(samples), vocabulary.assign(moved)
    same = one.words == other.words
    assert same.mean() > 0.9
    assert np.bitwise_count(one.signatures ^ other.signatures)[same].mean() < 10
    strangers = one.words[1:] == one.words[:-1]
    assert np.bitwise_count(one.signatures[1:] ^ one.signatures[:-1])[strangers].mean() > 25


def test_training_repeats_and_depends_on_its_seed():
    samples = descriptors(300)
    first = Vocabulary.train(samples, 20, seed=4)
    assert len(first) == 20
    assert Vocabulary.train(samples, 20, seed=4).digest == first.digest
    assert Vocabulary.train(samples, 20, seed=5).digest != first.digest


def test_as_many_words_as_distinct_descriptors():
    samples = descriptors(7)
    vocabulary = Vocabulary.train(samples, 7)
    assert sorted(vocabulary.assign(samples).words.tolist()) == list(range(7))
    with pytest.raises(ValueError, match="7 distinct descriptors do not make 8 words: ask for at most 7, or take more"):
        Vocabulary.train(np.repeat(samples, 3, axis=0), 8)
    with pytest.raises(ValueError, match="0 distinct descriptors do not make 1 words"):
        Vocabulary.train(samples[:0], 1)
    with pytest.raises(ValueError, match="at least one word, not 0"):
        Vocabulary.train(samples, 0)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((5, 64)), r"descriptors are \(K, 128\), not \(5, 64\)"),
        (np.zeros(128), r"\(K, 128\)"),
        (np.full((5, 128), np.nan), "finite"),
    ],
)
def test_what_are_no_descriptors_is_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        made().assign(samples)
    with pytest.raises(ValueError, match=message):
        Vocabulary.train(samples, 1)


def test_negative_descriptors_are_refused():
    with pytest.raises(ValueError, match="no negative values"):
        Vocabulary.train(descriptors(10) - 1, 2)


def test_no_descriptors_have_no_words():
    for vocabulary in (made(), made(EXACT + 1)):
        assert len(vocabulary.assign(np.zeros((0, 128), np.float32))) == 0


def test_whole_numbers_and_double_precision_are_taken_too():
    vocabulary = by_hand()
    asked = np.random.default_rng(0).integers(0, 256, (30, 128))
    for kind in (np.uint8, np.float64, np.int64):
        assert np.array_equal(vocabulary.assign(asked.astype(kind)).words, vocabulary.assign(asked).words)


def test_threads_share_one_search(monkeypatch):
    builds = []
    monkeypatch.setattr(module, "build", lambda words, inner=module.build: builds.append(1) or inner(words))
    vocabulary, asked = made(EXACT + 1), descriptors(300, seed=3)
    ready = threading.Barrier(4)

    def assign(_):
        ready.wait()
        return vocabulary.assign(asked)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(assign, range(4)))
    assert len(builds) == 1
    assert all(np.array_equal(other.words, found[0].words) for other in found)
    assert all(np.array_equal(other.signatures, found[0].signatures) for other in found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": np.zeros((3, 64))}, r"words of a vocabulary of 3 words are \(3, 128\)"),
        ({"words": np.zeros((0, 128)), "thresholds": np.zeros((0, 64))}, "a vocabulary has words"),
        ({"words": np.full((3, 128), -0.1)}, "no negative values"),
        ({"projection": np.zeros((128, 128))}, "projection"),
        ({"thresholds": np.zeros((2, 64))}, r"thresholds of a vocabulary of 3 words are \(3, 64\), not \(2, 64\)"),
        ({"thresholds": np.full((3, 64), np.inf)}, "thresholds of a vocabulary must be finite"),
    ],
)
def test_vocabularies_that_do_not_fit_together_are_refused(changes, message):
    parts = {"words": np.zeros((3, 128)), "projection": np.zeros((64, 128)), "thresholds": np.zeros((3, 64))}
    with pytest.raises(ValueError, match=message):
        Vocabulary(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": None}, "steps are missing"),
        ({"words": torch.zeros(3, 128)}, "words are torch.float32, not torch.uint8"),
        ({"words": torch.zeros(3, 100, dtype=torch.uint8)}, r"words of a vocabulary of 3 words are \(3, 128\)"),
        ({"words": torch.tensor(3, dtype=torch.uint8)}, "a vocabulary has words"),
        ({"thresholds": torch.zeros(4, 64, dtype=torch.int8)}, "thresholds of a vocabulary of 3 words"),
        ({"steps": torch.tensor([0.5, 0.0])}, "steps are two positive numbers"),
        ({"steps": torch.tensor([0.5, torch.inf])}, "steps are two positive numbers"),
        ({"steps": torch.tensor([0.5])}, "steps are two positive numbers"),
        ({"projection": torch.full((64, 128), torch.nan)}, "projection of a vocabulary must be finite"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path, changes, message):
    tensors = {name: value for name, value in {**made().tensors(), **changes}.items() if value is not None}
    path = tmp_path / "odd.safetensors"
    save_file(tensors, path)
    with pytest.raises(EncoderError, match=r"odd\.safetensors: holds no vocabulary of visual words: ") as refused:
        Vocabulary.load(path)
    assert refused.match(message)
    with pytest.raises(ValueError, match=message):
        Vocabulary.from_tensors(tensors)


def test_what_else_a_file_holds_is_ignored():
    assert Vocabulary.from_tensors({**made().tensors(), "other": torch.zeros(1)}).digest == made().digest


def test_missing_and_damaged_files_are_one_clear_error(tmp_path):
    with pytest.raises(EncoderError, match=r"gone.safetensors: there is no such file"):
        Vocabulary.load(tmp_path / "gone.safetensors")
    whole, torn = tmp_path / "whole.safetensors", tmp_path / "torn.safetensors"
    made().save(whole)
    for content in (b"", b"nothing of use", whole.read_bytes()[:-40]):
        torn.write_bytes(content)
        with pytest.raises(EncoderError, match=r"torn\.safetensors: is damaged, or no file of weights: ") as refused:
            Vocabulary.load(torn)
        assert "\n" not in str(refused.value)


def random_words(count, seed=0):
    values = np.random.default_rng(seed).random((count, 128), np.float32) ** 4
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def brute_force(held, asked):
    squares = (held.astype(np.float64) ** 2).sum(axis=1)
    return (squares - 2 * asked.astype(np.float64) @ held.T).argmin(axis=1)


@pytest.mark.parametrize("count", [1, 2, 700])
def test_few_words_are_compared_exactly(count):
    asked = random_words(200, seed=1)
    assert np.array_equal(nearest(build(random_words(count)), asked), brute_force(random_words(count), asked))


def test_of_many_words_nearly_always_the_nearest_is_found():
    held = random_words(EXACT + 1000)
    asked = held[::3] + np.random.default_rng(2).normal(0, 0.03, held[::3].shape).astype(np.float32)
    assert (nearest(build(held), asked) == brute_force(held, asked)).mean() > 0.95
    assert np.array_equal(nearest(build(held), held), np.arange(len(held)))


def test_the_same_words_give_the_same_search():
    held, asked = random_words(EXACT + 500), random_words(400, seed=1)
    assert np.array_equal(nearest(build(held), asked), nearest(build(held.copy()), asked))


def test_the_largest_exact_and_the_smallest_approximate_vocabulary(capfd):
    for count in (EXACT, EXACT + 1):
        assert np.array_equal(nearest(build(random_words(count)), random_words(count)[:50]), np.arange(50))
    assert capfd.readouterr().err == ""  # faiss warns there


def test_no_descriptors_have_no_nearest_words():
    for count in (3, EXACT + 1):
        assert nearest(build(random_words(count)), np.zeros((0, 128), np.float32)).shape == (0,)


def test_the_callers_threads_stay():
    index = build(random_words(10))
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        nearest(index, random_words(5))
        build(random_words(5))
        with pytest.raises(AssertionError):
            nearest(index, np.zeros((1, 7), np.float32))
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


def test_searches_run_in_the_calling_thread():
    class Spy:
        def search(self, asked, count):
            self.threads = faiss.omp_get_max_threads()
            return None, np.zeros((len(asked), count), np.int64)

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        spy = Spy()
        nearest(spy, random_words(4))
        assert spy.threads == 1
    finally:
        faiss.omp_set_num_threads(before)


def test_distinct_rows_are_counted_as_far_as_needed():
    rows = np.array([[1, 2], [1, 2], [2, 1], [0, 0], [2, 1]], np.float32)
    assert [distinct(rows, enough) for enough in (1, 2, 3, 9)] == [1, 2, 3, 3]
    assert distinct(rows[:0], 4) == 0


@pytest.mark.parametrize("seed", range(5))
def test_two_clusters_are_found_from_any_start(seed):
    generator = np.random.default_rng(seed)
    low, high = generator.random((30, 128), np.float32), 5 + generator.random((50, 128), np.float32)
    centres = k_means(generator.permutation(np.concatenate([low, high])), 2, seed)
    expected = np.stack([low.mean(axis=0), high.mean(axis=0)])
    assert np.allclose(centres[centres[:, 0].argsort()], expected, atol=1e-4)


def test_all_descriptors_count_however_many(capfd):
    # 600 of one value and one of another: the mean is theirs only when none is left out (faiss keeps 256 a centre).
    rows = np.concatenate([np.zeros((600, 128), np.float32), np.full((1, 128), 601, np.float32)])
    for seed in range(5):
        assert np.allclose(k_means(rows, 1, seed), 1)
    assert capfd.readouterr().err == ""


def test_many_words_from_few_descriptors_lower_the_distortion(capfd):
    generator = np.random.default_rng(0)
    rows = (generator.random((2 * EXACT, 128), np.float32)) ** 3
    words = EXACT + 100
    centres = k_means(rows, words, 0)
    assert centres.shape == (words, 128)
    assert np.array_equal(centres, k_means(rows, words, 0))

    def distortion(held):
        squares = (held**2).sum(axis=1) - 2 * rows[:500] @ held.T
        return (squares.min(axis=1) + (rows[:500] ** 2).sum(axis=1)).mean()

    at_random = rows[generator.permutation(len(rows))[:words]]
    assert distortion(centres) < 0.95 * distortion(at_random)
    assert capfd.readouterr().err == ""


def test_as_many_words_as_descriptors_are_the_descriptors():
    rows = np.random.default_rng(0).random((6, 128), np.float32)
    centres = k_means(rows, 6, 3)
    assert np.array_equal(centres[centres[:, 0].argsort()], rows[rows[:, 0].argsort()])


def test_orthogonal_rows_are_those_of_q():
    rows = orthogonal_rows(64, 128, 7)
    assert rows.dtype == np.float32
    assert np.allclose(rows @ rows.T, np.eye(64), atol=1e-5)
    q = orthogonal_rows(5, 5, 7).astype(np.float64)
    r = q.T @ np.random.default_rng(7).standard_normal((5, 5))
    assert np.allclose(np.tril(r, -1), 0, atol=1e-5)
    assert (np.diag(r) > 0).all()
    assert not np.allclose(rows, orthogonal_rows(64, 128, 8))


def test_medians_are_those_of_each_place_or_of_all():
    projected = np.array([[1, 10], [9, 20], [3, 30], [2, 40], [8, 50], [7, 0], [7, 0], [7, 0], [7, 0]], np.float32)
    places = np.array([2, 2, 2, 2, 2, 0, 0, 0, 0])
    # Place 2 has 1, 9, 3, 2, 8 and 10 to 50; place 0 has four values only and place 1 none, so that those of all
    # count: 1 2 3 7 7 7 7 8 9, and 0 0 0 0 10 20 30 40 50.
    assert medians(projected, places, 3).tolist() == [[7, 10], [7, 10], [3, 30]]
    shuffled = np.random.default_rng(0).permutation(9)
    assert medians(projected[shuffled], places[shuffled], 3).tolist() == [[7, 10], [7, 10], [3, 30]]


def test_the_median_of_an_even_number_lies_between_two():
    projected = np.array([[1], [2], [4], [5], [9], [100]], np.float32)
    assert medians(projected, np.zeros(6, np.int64), 1).tolist() == [[4.5]]
