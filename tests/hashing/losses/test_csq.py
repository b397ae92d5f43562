"""CSQ against a loop over photos, bits and pairs; centres of several labels."""

from __future__ import annotations

import math

import pytest
import torch

from recessive.hashing.losses import CSQ


def centre_by_loop(loss, label):
    """Of one photo, ±1 bit by bit."""
    if label.ndim == 0:
        return loss.centres[int(label)].tolist()
    votes = [sum(row[bit] for row, one in zip(loss.centres.tolist(), label, strict=True) if one) for bit in range(8)]
    return [tie if vote == 0 else math.copysign(1, vote) for vote, tie in zip(votes, loss.ties.tolist(), strict=True)]


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("bits", [8])
def test_loss_is_centre_pairs_and_quantisation(make_context, draw_batch, similar, multi_label, bits):
    made = make_context(bits=bits, multi_label=multi_label)
    loss = CSQ(made).double()
    logits, labels, rows = draw_batch(made)
    codes = [[math.tanh(u) for u in photo] for photo in logits.tolist()]
    centre = quantisation = 0.0
    for code, label in zip(codes, labels, strict=True):
        for h, c in zip(code, centre_by_loop(loss, label), strict=True):
            centre -= math.log((h + 1) / 2 if c > 0 else 1 - (h + 1) / 2)
            quantisation += (abs(h) - 1) ** 2
    weight = made.photos**2 / sum(similar(a, b) for a in made.labels for b in made.labels)
    pairs = weights = 0.0
    for i in range(len(codes)):
        for j in range(i + 1, len(codes)):
            theta = 10 / bits * sum(a * b for a, b in zip(codes[i], codes[j], strict=True))
            s = similar(labels[i], labels[j])
            w = weight if s else 1.0
            pairs += w * (math.log(1 + math.exp(theta)) - s * theta)
            weights += w
    expected = centre / logits.numel() + 0.2 * pairs / weights + 0.05 * quantisation / logits.numel()
    assert math.isclose(float(loss(logits, labels, rows, 0.3)), expected, rel_tol=1e-9)


def test_several_labels_vote_and_ties_go_to_one_fixed_code(make_context):
    loss = CSQ(make_context(multi_label=True))
    loss.centres.copy_(torch.tensor([[1.0] * 8, [1.0] * 4 + [-1.0] * 4, [-1.0] * 8, [1.0, -1.0] * 4]))
    labels = torch.tensor([[0, 0, 0, 1], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]], dtype=torch.bool)
    found = loss.centres_of(labels)
    assert found[0].tolist() == [1.0, -1.0] * 4
    assert found[1].tolist() == [1.0] * 4 + loss.ties[4:].tolist()
    assert found[2].tolist() == [1.0] * 4 + [-1.0] * 4
    assert torch.equal(found[3], loss.ties)
    assert bool((loss.ties.abs() == 1).all())


def test_its_centres_cost_less_than_random_codes(make_context, draw_batch):
    made = make_context()
    logits, labels, rows = draw_batch(made, 20)
    loss = CSQ(made).double()
    perfect = 3 * loss.centres_of(labels)
    assert float(loss(perfect, labels, rows, 1.0)) < 0.2 * float(loss(3 * logits.sign(), labels, rows, 1.0))
