"""GreedyHash against a loop over photos, classes and bits; the gradient through the sign."""

from __future__ import annotations

import math

import torch

from recessive.hashing.losses import GreedyHash


def scores_by_loop(loss, photo):
    code = [1 if u >= 0 else -1 for u in photo.tolist()]
    return [sum(w * b for w, b in zip(row, code, strict=True)) for row in loss.classifier.weight.tolist()]


def penalty_by_loop(logits):
    return 0.1 * sum(abs(abs(u) - 1) ** 3 for u in logits.flatten().tolist()) / logits.numel()


def test_loss_is_the_cross_entropy_of_the_code_and_a_cubic_penalty(make_context, draw_batch):
    made = make_context()
    loss = GreedyHash(made).double()
    logits, labels, rows = draw_batch(made)
    total = 0.0
    for photo, label in zip(logits, labels.tolist(), strict=True):
        scores = scores_by_loop(loss, photo)
        total += math.log(sum(map(math.exp, scores))) - scores[label]
    expected = total / len(logits) + penalty_by_loop(logits)
    assert math.isclose(float(loss(logits, labels, rows, 0.3).detach()), expected, rel_tol=1e-9)


def test_several_labels_are_binary_cross_entropies_summed(make_context, draw_batch):
    made = make_context(multi_label=True)
    loss = GreedyHash(made).double()
    logits, labels, rows = draw_batch(made)
    total = 0.0
    for photo, borne in zip(logits, labels.tolist(), strict=True):
        for score, label in zip(scores_by_loop(loss, photo), borne, strict=True):
            probability = 1 / (1 + math.exp(-score))
            total -= math.log(probability if label else 1 - probability)
    expected = total / len(logits) + penalty_by_loop(logits)
    assert math.isclose(float(loss(logits, labels, rows, 0.3).detach()), expected, rel_tol=1e-9)


def test_the_gradient_of_the_code_reaches_every_logit_however_large(make_context, draw_batch):
    made = make_context()
    loss = GreedyHash(made).double()
    logits, labels, rows = draw_batch(made, scale=3.0)
    codes = logits.sign().requires_grad_()
    (of_code,) = torch.autograd.grad(torch.nn.functional.cross_entropy(loss.classifier(codes), labels), codes)
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, labels, rows, 0.0), logits)
    values = logits.detach()
    of_penalty = 0.3 * (values.abs() - 1) * (values.abs() - 1).abs() * values.sign() / values.numel()
    assert values.abs().max() > 3
    torch.testing.assert_close(gradient, of_code + of_penalty)


def test_a_code_that_the_classifier_knows_costs_less_than_a_random_one(make_context, draw_batch):
    made = make_context()
    logits, labels, rows = draw_batch(made, 20)
    loss = GreedyHash(made).double()
    perfect = loss.classifier.weight.detach()[labels].sign()
    assert loss(perfect, labels, rows, 1.0) < loss(logits.sign(), labels, rows, 1.0)
