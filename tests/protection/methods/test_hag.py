"""HAG on a linear encoder, whose best code is known, and its constants."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recessive.balls import LInf
from recessive.codes import sign
from recessive.encoders import Encoder
from recessive.protection.method import Run, Surrogate
from recessive.protection.methods.untargeted import HAG
from recessive.protection.steps import SGD

BITS = 8


def test_it_flips_exactly_the_bits_that_the_budget_can_flip():
    """Each bit sees pixels of its own, u = 16 · mean + b: within 8/255 it moves by 0.50."""
    head = nn.Linear(3 * 32, BITS)
    with torch.no_grad():
        head.weight.copy_(torch.eye(BITS).repeat_interleave(12, dim=1) * 16 / 12)
        levels = [0.1, -0.1, 0.3, -0.3, 0.45, -0.45, 0.9, -0.9]
        head.bias.copy_(torch.tensor(levels) - 8)
    encoder = Encoder("linear", nn.Flatten(), head, BITS, "logits").requires_grad_(False)
    photos = torch.full((2, 3, 4, 8), 128 / 255)  # 16 · 128/255 is 8.03
    found = HAG()(photos, [Surrogate(encoder)], Run(LInf(8), 100, [0, 1]))
    flipped = sign(encoder(found.photos)) != sign(encoder(photos))
    assert flipped.tolist() == [[True] * 6 + [False] * 2] * 2


def test_constants_are_the_published_ones(monkeypatch, surrogates, draw_photos):
    given = {}

    def spy(photos, surrogates, objectives, run, *, step):  # noqa: ARG001 - descend's
        given.update(objectives=objectives, step=step)

    monkeypatch.setattr("recessive.protection.methods.untargeted.descend", spy)
    photos, surrogate, method = draw_photos(2, 24, 24, 5), surrogates["logits"], HAG()
    method(photos, [surrogate], Run(LInf(method.budget), method.steps, [0, 1]))
    assert (method.budget, method.steps) == (8, 100)
    assert given["step"] == SGD(pytest.approx(100 * 255), 0.9)
    (objective,) = given["objectives"]
    assert objective.margin == 0.5
    assert torch.equal(objective.codes, sign(surrogate.encoder(photos)))
