"""DSH against a loop over pairs; its margin."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.hashing.losses import DSH


@pytest.mark.parametrize("multi_label", [False, True])
def test_loss_is_contrastive_over_pairs_and_sums_over_bits(make_context, draw_batch, similar, multi_label):
    made = make_context(multi_label=multi_label)
    logits, labels, rows = draw_batch(made, scale=1.3)
    total, pairs = 0.0, 0
    for i in range(len(logits)):
        for j in range(i + 1, len(logits)):
            distance = sum((float(a) - float(b)) ** 2 for a, b in zip(logits[i], logits[j], strict=True))
            total += 0.5 * (distance if similar(labels[i], labels[j]) else max(0.0, 2 * made.bits - distance))
            pairs += 1
    regular = sum(abs(abs(float(value)) - 1) for value in logits.flatten()) / len(logits)
    assert math.isclose(float(DSH(made)(logits, labels, rows, 0.3)), total / pairs + 0.01 * regular, rel_tol=1e-9)


def test_codes_that_differ_in_half_of_the_bits_cost_nothing(make_context):
    """Their squared distance is 4 · bits/2, the margin; one bit less costs ½ · 4."""
    made = make_context(classes=2)
    labels, rows = torch.tensor([0, 1]), torch.tensor([0, 1])
    one = torch.ones(1, made.bits)
    half = one.clone()
    half[:, : made.bits // 2] = -1
    less = half.clone()
    less[:, 0] = 1
    assert float(DSH(made)(torch.cat([one, half]), labels, rows, 0.0)) == 0
    assert math.isclose(float(DSH(made)(torch.cat([one, less]), labels, rows, 0.0)), 2, rel_tol=1e-6)


def test_a_code_that_tells_classes_apart_costs_less_than_a_random_one(make_context, draw_batch):
    made = make_context(classes=2)
    logits, labels, rows = draw_batch(made, 20)
    code = torch.ones(made.bits, dtype=torch.float64)
    perfect = torch.where(labels[:, None] == 0, code, -code)
    assert float(DSH(made)(perfect, labels, rows, 1.0)) == 0
    assert float(DSH(made)(logits.sign(), labels, rows, 1.0)) > 1
