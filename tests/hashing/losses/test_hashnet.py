"""HashNet against a loop over pairs; its continuation and its weight."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.hashing.losses import HashNet
from recessive.hashing.losses.hashnet import continuation


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_loss_is_the_weighted_mean_over_pairs(make_context, draw_batch, similar, multi_label, progress):
    made = make_context(multi_label=multi_label)
    logits, labels, rows = draw_batch(made)
    all_similar = sum(similar(a, b) for a in made.labels for b in made.labels)
    weight = made.photos**2 / all_similar
    beta = math.sqrt(1 + 0.005 * 10_000 * progress)
    total = weights = 0.0
    for i in range(len(logits)):
        for j in range(i + 1, len(logits)):
            theta = sum(
                10 / made.bits * math.tanh(beta * float(a)) * math.tanh(beta * float(b))
                for a, b in zip(logits[i], logits[j], strict=True)
            )
            s = similar(labels[i], labels[j])
            w = weight if s else 1.0
            total += w * (math.log(1 + math.exp(theta)) - s * theta)
            weights += w
    found = HashNet(made)(logits, labels, rows, progress)
    assert math.isclose(float(found), total / weights, rel_tol=1e-9)


def test_continuation_is_the_published_schedule_at_any_length():
    for iteration in (0, 199, 200, 5_000, 9_999, 10_000):
        published = math.sqrt(1 + 0.005 * (iteration // 200 * 200))
        assert math.isclose(continuation((iteration + 0.5) / 10_000), published)
    assert math.isclose(continuation(1.0), math.sqrt(51))
    betas = [continuation(step / 77) for step in range(78)]
    assert betas == sorted(betas)


def test_a_code_that_tells_classes_apart_costs_less_than_a_random_one(make_context, draw_batch):
    made = make_context(classes=2)
    logits, labels, rows = draw_batch(made, 20)
    code = torch.ones(made.bits, dtype=torch.float64)
    perfect = torch.where(labels[:, None] == 0, code, -code)
    loss = HashNet(made)
    assert float(loss(perfect, labels, rows, 1.0)) < 0.01 < float(loss(logits.sign(), labels, rows, 1.0))
