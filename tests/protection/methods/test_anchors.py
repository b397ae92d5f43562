"""Component voting against a search over all codes, and which targets vote."""

from __future__ import annotations

import itertools

import pytest
import torch

from recessive.balls import LInf
from recessive.codes import sign
from recessive.protection.method import MethodError, Run
from recessive.protection.methods.targeted import anchor_codes, vote


@pytest.mark.parametrize("count", [1, 3, 9])
def test_no_code_is_nearer_to_all_voters_than_the_one_that_they_vote_for(count):
    codes = sign(torch.randn(count, 6, generator=torch.Generator().manual_seed(count)))
    all_codes = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=6)))
    distances = (all_codes[:, None] != codes).sum((1, 2))
    assert torch.equal(all_codes[distances.argmin()], vote(codes))
    assert (distances == distances.min()).sum() == 1  # an odd number knows no tie


def test_a_tie_is_a_plus():
    assert vote(torch.tensor([[1.0, -1, 1, -1], [1, -1, -1, 1]])).tolist() == [1, -1, 1, 1]


def test_the_first_targets_vote_or_all_whatever_their_size(surrogates, draw_photos):
    surrogate = surrogates["logits"]
    targets = [
        [*draw_photos(1, 24, 24, 60), *draw_photos(1, 30, 20, 61), *draw_photos(1, 18, 40, 62)],
        [*draw_photos(2, 24, 24, 63)],
    ]
    run = Run(LInf(8), 1, [0, 1], targets=targets)
    codes = [torch.cat([sign(surrogate.encoder(target[None])) for target in own]) for own in targets]
    for voters in (1, 2, None):
        made = anchor_codes(surrogate, run, torch.device("cpu"), voters)
        expected = [[1.0 if total >= 0 else -1.0 for total in own[:voters].sum(0)] for own in codes]
        assert made.tolist() == expected
    assert len({tuple(vote(codes[0][:count]).tolist()) for count in (1, 2, 3)}) == 3  # or the test could not fail


def test_without_targets_it_says_what_is_missing(surrogates):
    with pytest.raises(MethodError, match="--target"):
        anchor_codes(surrogates["logits"], Run(LInf(8), 1, [0]), torch.device("cpu"), 1)
