"""OrthoHash against a loop over photos and classes."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.hashing.losses import OrthoHash


@pytest.mark.parametrize("multi_label", [False, True])
def test_loss_is_the_cross_entropy_of_cosines_with_a_margin(make_context, draw_batch, multi_label):
    made = make_context(multi_label=multi_label)
    loss = OrthoHash(made).double()
    logits, labels, rows = draw_batch(made)
    total = 0.0
    for photo, label in zip(logits.tolist(), labels, strict=True):
        borne = label.nonzero().flatten().tolist() if multi_label else [int(label)]
        length = math.sqrt(sum(u * u for u in photo))
        scores = []
        for k, code in enumerate(loss.codes.tolist()):
            cosine = sum(u * c for u, c in zip(photo, code, strict=True)) / (length * math.sqrt(made.bits))
            scores.append(8 * (cosine - 0.2 * (k in borne)))
        partition = math.log(sum(map(math.exp, scores)))
        total += sum(partition - scores[k] for k in borne) / max(1, len(borne))
    assert math.isclose(float(loss(logits, labels, rows, 0.3)), total / len(logits), rel_tol=1e-9)


def test_a_photo_without_label_adds_nothing(make_context, draw_batch):
    made = make_context(multi_label=True)
    logits, labels, rows = draw_batch(made, 2)
    labels = torch.tensor([[True, False, True, False], [False] * 4])
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(OrthoHash(made)(logits, labels, rows, 0.0), logits)
    assert gradient[0].any()
    assert not gradient[1].any()


def test_the_length_of_the_logits_does_not_count(make_context, draw_batch):
    made = make_context()
    logits, labels, rows = draw_batch(made)
    loss = OrthoHash(made)
    torch.testing.assert_close(loss(5 * logits, labels, rows, 0.0), loss(logits, labels, rows, 0.0))


def test_its_codes_cost_less_than_random_ones(make_context, draw_batch):
    made = make_context()
    logits, labels, rows = draw_batch(made, 20)
    loss = OrthoHash(made).double()
    perfect = loss.codes[labels]
    assert float(loss(perfect, labels, rows, 1.0)) < 0.5 * float(loss(logits.sign(), labels, rows, 1.0))
