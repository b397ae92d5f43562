"""The parts that a vocabulary is learnt with, on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recessive.encoders.features.vocabulary import EXACT, distinct, k_means, medians, orthogonal_rows


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
