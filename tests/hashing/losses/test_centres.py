"""Codes for classes: Hadamard rows where they fit, far apart otherwise, never two the same."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recessive.codes import hamming
from recessive.hashing.errors import TrainingError
from recessive.hashing.losses import centres
from recessive.hashing.losses.centres import hash_centres, random_codes


def nearest(codes):
    """The smallest distance between two of them."""
    return int((hamming(codes, codes) + 1e6 * torch.eye(len(codes))).min())


@given(st.integers(12, 128), st.integers(1, 150), st.integers(0, 3))
@settings(max_examples=25)
def test_any_number_of_bits_and_classes_gives_different_codes(bits, classes, seed):
    for make in (hash_centres, random_codes):
        codes = make(classes, bits, seed)
        assert codes.shape == (classes, bits)
        assert bool((codes.abs() == 1).all())
        assert len(torch.unique(codes, dim=0)) == classes


@pytest.mark.parametrize(("classes", "bits"), [(10, 16), (16, 16), (10, 64), (100, 64), (128, 64), (36, 128)])
def test_hadamard_centres_differ_in_half_of_the_bits_or_in_all(classes, bits):
    distances = hamming(*2 * [hash_centres(classes, bits, 0)])
    others = distances[~torch.eye(classes, dtype=torch.bool)]
    assert set(others.tolist()) <= {bits / 2, bits}
    assert bool((others == bits / 2).all()) == (classes <= bits)


def test_ten_classes_share_no_bit_of_their_hadamard_centres():
    shared = [int((hash_centres(10, 64, seed).sum(0).abs() == 10).sum()) for seed in range(5)]
    assert max(shared) <= 2


@pytest.mark.parametrize(("classes", "bits"), [(10, 12), (10, 48), (100, 24), (100, 48), (257, 128)])
def test_random_centres_are_balanced_and_farther_apart_than_chance(classes, bits):
    found = hash_centres(classes, bits, 0)
    assert bool((found.sum(1) == -(bits % 2)).all())
    assert nearest(found) > max(nearest(random_codes(classes, bits, seed)) for seed in range(5))


def test_more_classes_than_balanced_codes_are_told_apart_too():
    assert nearest(hash_centres(1000, 12, 0)) >= 1


def test_every_code_is_used_when_there_are_as_many_classes():
    for make in (hash_centres, random_codes):
        assert len(torch.unique(make(64, 6, 1), dim=0)) == 64


def test_very_many_classes_are_only_kept_different(monkeypatch):
    monkeypatch.setattr(centres, "SEARCHED", 50)
    assert nearest(hash_centres(51, 48, 0)) < nearest(hash_centres(50, 48, 0))


@pytest.mark.parametrize("make", [hash_centres, random_codes])
def test_the_seed_decides(make):
    assert torch.equal(make(10, 48, 3), make(10, 48, 3))
    assert not torch.equal(make(10, 48, 3), make(10, 48, 4))


@pytest.mark.parametrize("make", [hash_centres, random_codes])
def test_too_few_bits_for_the_classes(make):
    with pytest.raises(TrainingError, match="2 bits cannot tell 5 classes apart: ask for more bits"):
        make(5, 2, 0)
