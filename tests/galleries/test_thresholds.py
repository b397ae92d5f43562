"""Thresholds against loops over queries and gallery photos."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recessive.galleries.thresholds import (
    Threshold,
    best_f1,
    best_precision,
    cosine_candidates,
    hamming_candidates,
    sweep,
)


def naive(distances, relevant, threshold):
    """Mean precision (0 where nothing is returned) and mean recall."""
    precisions, recalls = [], []
    for row, marks in zip(distances.tolist(), relevant.tolist(), strict=True):
        returned = [mark for distance, mark in zip(row, marks, strict=True) if distance <= threshold]
        precisions.append(sum(returned) / len(returned) if returned else 0.0)
        recalls.append(sum(returned) / sum(marks))
    return sum(precisions) / len(precisions), sum(recalls) / len(recalls)


def f1(precision, recall):
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@st.composite
def searches(draw):
    queries, photos = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    distances = torch.randint(0, 9, (queries, photos), generator=generator)
    relevant = torch.rand(queries, photos, generator=generator) < 0.4
    relevant[:, 0] = True
    return distances, relevant


@settings(deadline=None, max_examples=50)
@given(searches())
def test_the_sweep_is_that_of_loops(search):
    candidates = hamming_candidates(8)
    found = sweep(*search, candidates)
    assert [entry.threshold for entry in found] == list(range(9))
    for entry in found:
        assert (entry.precision, entry.recall) == pytest.approx(naive(*search, entry.threshold), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(searches())
def test_the_best_are_the_best_of_loops(search):
    candidates = hamming_candidates(8)
    every = [naive(*search, threshold) for threshold in candidates.tolist()]
    assert best_f1(*search, candidates).f1 == pytest.approx(max(f1(*each) for each in every), abs=1e-6)
    assert best_precision(*search, candidates).precision == pytest.approx(max(p for p, _ in every), abs=1e-6)


# Two queries, four photos; the first two of each are relevant.
DISTANCES = torch.tensor([[1, 3, 2, 5], [2, 4, 6, 6]])
RELEVANT = torch.tensor([[True, True, False, False]] * 2)


def test_empty_results_count_as_no_precision():
    # T = 1: the first query returns one relevant photo, the second nothing: ½, not 1.
    at_one = sweep(DISTANCES, RELEVANT, torch.tensor([1.0]))[0]
    assert (at_one.precision, at_one.recall) == (0.5, 0.25)
    # At 1 ½, at 2 (½ + 1)/2, at 3 and 4 (⅔ + 1)/2, from 5 on less.
    assert best_precision(DISTANCES, RELEVANT, hamming_candidates(6)).threshold == 3


def test_best_f1_by_hand():
    found = best_f1(DISTANCES, RELEVANT, hamming_candidates(6))
    assert found.threshold == 4  # all relevant ones, one wrong
    assert found.precision == pytest.approx((2 / 3 + 1) / 2)
    assert found.recall == 1
    assert found.f1 == pytest.approx(2 * (5 / 6) / (5 / 6 + 1))


def test_the_smallest_of_equal_thresholds_is_taken():
    distances, relevant = torch.tensor([[0, 8]]), torch.tensor([[True, False]])
    shuffled = torch.tensor([5.0, 1.0, 7.0, 3.0])
    assert best_f1(distances, relevant, shuffled).threshold == 1
    assert best_precision(distances, relevant, shuffled).threshold == 1


def test_f1_of_nothing_is_0():
    assert Threshold(3.0, 0.0, 0.0).f1 == 0


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="must match"):
        sweep(DISTANCES, RELEVANT[:, :3], hamming_candidates(3))
    with pytest.raises(ValueError, match="at least one relevant"):
        sweep(DISTANCES, RELEVANT & torch.tensor([[True], [False]]), hamming_candidates(3))


def test_candidates():
    assert hamming_candidates(3).tolist() == [0, 1, 2, 3]
    candidates = cosine_candidates(4)
    assert candidates.tolist() == [0, 0.25, 0.5, 0.75, 1]
