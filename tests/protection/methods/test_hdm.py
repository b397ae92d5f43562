"""HDM's stop rule."""

from __future__ import annotations

import torch

from recessive.balls import LInf
from recessive.codes import sign
from recessive.protection.methods import METHODS, Run


def test_it_stops_once_more_than_two_thirds_of_the_bits_are_flipped(surrogates, draw_photos):
    photos, encoder = draw_photos(4, 24, 24, 5), surrogates["logits"].encoder
    before = sign(encoder(photos))
    longest = 100
    for steps in range(1, longest):
        found = METHODS["hdm"](photos, [surrogates["logits"]], Run(LInf(64), steps, range(4)))
        flipped = (sign(encoder(found.photos)) != before).sum(1)
        assert torch.equal(found.done, flipped > 2 / 3 * encoder.dim)
        if found.done.all():
            break
    assert 1 < found.steps.max() < longest - 1
    assert len(found.steps.unique()) > 1  # each stops when it is done itself
