"""Pairs: the likelihood far out, the weight of similar pairs by counting. Codes for classes: never two the same."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recessive.class_labels import relevant
from recessive.codes import hamming
from recessive.hashing import TrainingError
from recessive.hashing.losses import terms
from recessive.hashing.losses.terms import (
    hash_centres,
    pair_loss,
    random_codes,
    similar_weight,
    weighted_pair_loss,
)


@pytest.mark.parametrize("multi_label", [False, True])
def test_photos_are_similar_as_galleries_have_it_on_any_device(make_context, similar, multi_label):
    labels, others = (make_context(photos=n, seed=n, multi_label=multi_label).labels for n in (9, 13))
    found = relevant(labels, others)
    assert found.tolist() == [[similar(one, other) for other in others] for one in labels]
    assert relevant(labels.to("meta"), others.to("meta")).is_meta


@given(st.floats(-20, 20), st.booleans())
def test_loss_of_a_pair_is_its_formula(theta, is_similar):
    expected = math.log(1 + math.exp(theta)) - is_similar * theta
    found = pair_loss(torch.tensor(theta, dtype=torch.float64), torch.tensor(is_similar))
    assert math.isclose(float(found), expected, rel_tol=1e-9, abs_tol=1e-7)


@pytest.mark.parametrize("size", [15.1, 100.0, 1e4, 1e30])
def test_far_out_only_the_wrong_side_costs_and_by_theta(size):
    theta = torch.tensor([size, -size, size, -size], requires_grad=True)
    loss = pair_loss(theta, torch.tensor([True, True, False, False]))
    torch.testing.assert_close(loss, torch.tensor([0.0, size, size, 0.0]), rtol=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(loss.sum(), theta)
    torch.testing.assert_close(gradient, torch.tensor([0.0, -1.0, 1.0, 0.0]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("multi_label", [False, True])
def test_weight_counts_all_pairs_over_similar_ones(make_context, similar, multi_label, monkeypatch):
    monkeypatch.setattr(terms, "BLOCK", 5)
    labels = make_context(photos=40, multi_label=multi_label).labels
    count = sum(similar(first, second) for first in labels for second in labels)
    assert math.isclose(similar_weight(labels), 40 * 40 / count)


def test_weight_of_classes_of_one_size_is_their_number():
    assert similar_weight(torch.arange(300) % 100) == 100


def test_weight_where_no_photo_bears_a_label_is_finite():
    assert similar_weight(torch.zeros(6, 3, dtype=torch.bool)) == 36


def test_a_similar_pair_weighs_as_many_dissimilar_ones():
    codes = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    labels = torch.tensor([0, 0, 1])
    theta_12, theta_13, theta_23 = 0.0, -10.0, 0.0
    expected = 3 * math.log(2) + math.log1p(math.exp(theta_13)) + math.log1p(math.exp(theta_23))
    assert theta_12 == 0
    assert math.isclose(float(weighted_pair_loss(codes, labels, 3.0)), expected / 5, rel_tol=1e-6)


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
    monkeypatch.setattr(terms, "SEARCHED", 50)
    assert nearest(hash_centres(51, 48, 0)) < nearest(hash_centres(50, 48, 0))


@pytest.mark.parametrize("make", [hash_centres, random_codes])
def test_the_seed_decides(make):
    assert torch.equal(make(10, 48, 3), make(10, 48, 3))
    assert not torch.equal(make(10, 48, 3), make(10, 48, 4))


@pytest.mark.parametrize("make", [hash_centres, random_codes])
def test_too_few_bits_for_the_classes(make):
    with pytest.raises(TrainingError, match="2 bits cannot distinguish 5 classes; use more bits"):
        make(5, 2, 0)
