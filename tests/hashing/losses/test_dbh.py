"""DBH against a loop over photos and classes."""

from __future__ import annotations

import math

from recessive.hashing.losses import DBH


def scores_by_loop(loss, photo):
    weight, bias = loss.classifier.weight.tolist(), loss.classifier.bias.tolist()
    latent = [1 / (1 + math.exp(-u)) for u in photo.tolist()]
    return [sum(w * h for w, h in zip(row, latent, strict=True)) + b for row, b in zip(weight, bias, strict=True)]


def test_loss_is_the_softmax_cross_entropy_of_the_latent_layer(make_context, draw_batch):
    made = make_context()
    loss = DBH(made).double()
    logits, labels, rows = draw_batch(made)
    total = 0.0
    for photo, label in zip(logits, labels.tolist(), strict=True):
        scores = scores_by_loop(loss, photo)
        total += math.log(sum(map(math.exp, scores))) - scores[label]
    assert math.isclose(float(loss(logits, labels, rows, 0.3).detach()), total / len(logits), rel_tol=1e-9)


def test_several_labels_are_binary_cross_entropies_summed(make_context, draw_batch):
    made = make_context(multi_label=True)
    loss = DBH(made).double()
    logits, labels, rows = draw_batch(made)
    total = 0.0
    for photo, borne in zip(logits, labels.tolist(), strict=True):
        for score, label in zip(scores_by_loop(loss, photo), borne, strict=True):
            probability = 1 / (1 + math.exp(-score))
            total -= math.log(probability if label else 1 - probability)
    assert math.isclose(float(loss(logits, labels, rows, 0.3).detach()), total / len(logits), rel_tol=1e-9)


def test_a_code_that_the_classifier_knows_costs_less_than_a_random_one(make_context, draw_batch):
    made = make_context()
    logits, labels, rows = draw_batch(made, 20)
    loss = DBH(made).double()
    perfect = 10 * loss.classifier.weight.detach()[labels].sign()
    assert loss(perfect, labels, rows, 1.0) < loss(10 * logits.sign(), labels, rows, 1.0)
