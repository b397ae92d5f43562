"""Pairs: the likelihood far out, the weight of similar pairs by counting."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recessive.class_labels import relevant
from recessive.hashing.losses import pairs
from recessive.hashing.losses.pairs import pair_loss, share_label, similar_weight, weighted_pair_loss


@pytest.mark.parametrize("multi_label", [False, True])
def test_photos_are_similar_as_galleries_have_it_on_any_device(make_context, similar, multi_label):
    labels, others = (make_context(photos=n, seed=n, multi_label=multi_label).labels for n in (9, 13))
    found = share_label(labels, others)
    assert found.tolist() == [[similar(one, other) for other in others] for one in labels]
    assert torch.equal(found, relevant(labels, others))
    assert share_label(labels.to("meta"), others.to("meta")).is_meta


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
    monkeypatch.setattr(pairs, "BLOCK", 5)
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
