"""Nearest words: exact where there are few, nearly always where there are many, and the caller's threads untouched."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from recessive.encoders.features.vocabulary import EXACT, build, nearest


def words(count, seed=0):
    values = np.random.default_rng(seed).random((count, 128), np.float32) ** 4
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def brute_force(held, asked):
    squares = (held.astype(np.float64) ** 2).sum(axis=1)
    return (squares - 2 * asked.astype(np.float64) @ held.T).argmin(axis=1)


@pytest.mark.parametrize("count", [1, 2, 700])
def test_few_words_are_compared_exactly(count):
    asked = words(200, seed=1)
    assert np.array_equal(nearest(build(words(count)), asked), brute_force(words(count), asked))


def test_of_many_words_nearly_always_the_nearest_is_found():
    held = words(EXACT + 1000)
    asked = held[::3] + np.random.default_rng(2).normal(0, 0.03, held[::3].shape).astype(np.float32)
    assert (nearest(build(held), asked) == brute_force(held, asked)).mean() > 0.95
    assert np.array_equal(nearest(build(held), held), np.arange(len(held)))


def test_the_same_words_give_the_same_search():
    held, asked = words(EXACT + 500), words(400, seed=1)
    assert np.array_equal(nearest(build(held), asked), nearest(build(held.copy()), asked))


def test_the_largest_exact_and_the_smallest_approximate_vocabulary(capfd):
    for count in (EXACT, EXACT + 1):
        assert np.array_equal(nearest(build(words(count)), words(count)[:50]), np.arange(50))
    assert capfd.readouterr().err == ""  # faiss warns there


def test_no_descriptors_have_no_words():
    for count in (3, EXACT + 1):
        assert nearest(build(words(count)), np.zeros((0, 128), np.float32)).shape == (0,)


def test_the_callers_threads_stay():
    index = build(words(10))
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        nearest(index, words(5))
        build(words(5))
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
        nearest(spy, words(4))
        assert spy.threads == 1
    finally:
        faiss.omp_set_num_threads(before)
