"""DPSH against a loop over the batch and its memory."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.hashing.losses import DPSH


def by_loop(logits, labels, memory, made, similar):
    """`memory` maps the row of each photo seen to what it gave last."""
    likelihood = quantisation = 0.0
    for one, label in zip(logits.tolist(), labels, strict=True):
        for row, other in memory.items():
            theta = 0.5 * sum(a * b for a, b in zip(one, other, strict=True))
            likelihood += math.log(1 + math.exp(theta)) - similar(label, made.labels[row]) * theta
        quantisation += sum(((1 if a >= 0 else -1) - a) ** 2 for a in one)
    count = len(logits)
    return likelihood / (count * len(memory)) + 50 * quantisation / (count * made.photos)


@pytest.mark.parametrize("multi_label", [False, True])
def test_loss_is_the_mean_over_photos_seen(make_context, draw_batch, similar, multi_label):
    made = make_context(multi_label=multi_label)
    loss, memory = DPSH(made).double(), {}
    for seed in range(4):
        logits, labels, rows = draw_batch(made, 9, seed=seed)
        memory.update(zip(rows.tolist(), logits.tolist(), strict=True))
        expected = by_loop(logits, labels, memory, made, similar)
        assert math.isclose(float(loss(logits, labels, rows, 0.3)), expected, rel_tol=1e-9)
    assert 9 < len(memory) < made.photos


def test_the_memory_holds_what_each_photo_gave_last_and_no_gradient(make_context, draw_batch):
    made = make_context()
    loss = DPSH(made)
    first, labels, rows = draw_batch(made, 5)
    loss(first.float(), labels, rows, 0.0)
    second = (first + 1).float().requires_grad_()
    loss(second, labels, rows, 0.0)
    assert not loss.memory.requires_grad
    torch.testing.assert_close(loss.memory[rows], second.detach())
    assert loss.seen.sum() == 5
    unseen = torch.ones(made.photos, dtype=torch.bool)
    unseen[rows] = False
    assert not loss.memory[unseen].any()


def test_gradient_is_that_of_one_side_of_each_pair(make_context, draw_batch, similar):
    """d/du_i of the likelihood is ½ Σ_j (σ(θ_ij) − s_ij) U_j: the memory is a constant."""
    made = make_context()
    logits, labels, rows = draw_batch(made, 6)
    logits.requires_grad_()
    loss = DPSH(made).double()
    (gradient,) = torch.autograd.grad(loss(logits, labels, rows, 0.0), logits)
    expected = torch.zeros_like(gradient)
    with torch.no_grad():
        for i in range(6):
            for j in range(6):
                theta = 0.5 * logits[i] @ logits[j]
                expected[i] += 0.5 * (torch.sigmoid(theta) - int(similar(labels[i], labels[j]))) * logits[j] / 36
            expected[i] += 2 * 50 * (logits[i] - logits[i].sign()) / (6 * made.photos)
    torch.testing.assert_close(gradient, expected)


def test_a_code_that_tells_classes_apart_costs_less_than_a_random_one(make_context, draw_batch):
    made = make_context(classes=2)
    logits, labels, rows = draw_batch(made, 20)
    code = torch.ones(made.bits, dtype=torch.float64)
    perfect = torch.where(labels[:, None] == 0, code, -code)
    assert DPSH(made).double()(perfect, labels, rows, 1.0) < 0.05
    assert DPSH(made).double()(logits.sign(), labels, rows, 1.0) > 0.5


def test_labels_stay_out_of_the_state_but_move_with_the_loss(make_context):
    loss = DPSH(make_context())
    assert set(loss.state_dict()) == {"memory", "seen"}
    assert loss.to("meta").labels.is_meta
