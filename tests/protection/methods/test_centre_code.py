"""The centre code is the best of all codes, and what the method does with it."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from recessive.balls import LInf
from recessive.codes import hamming, sign
from recessive.protection.method import MethodError, Run
from recessive.protection.methods.class_codes import CentreCode, centre_code


@pytest.mark.parametrize("seed", range(5))
def test_no_other_code_is_nearer_to_the_similar_and_farther_from_the_others(seed):
    """Mean distance to the similar codes minus the mean distance to the others, over all 64 codes."""
    generator = torch.Generator().manual_seed(seed)
    sample = sign(torch.randn(11, 6, generator=generator))
    similarity = torch.tensor([[1.0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0], [0.5, 0, 0, 1, 0, 0, 0.7, 0, 1, 0, 0]])
    codes = torch.tensor(list(product([-1.0, 1.0], repeat=6)))
    found = centre_code(similarity, sample)
    for weights, code in zip(similarity, found, strict=True):

        def cost(codes, weights=weights):
            distances = hamming(codes, sample)
            others = (weights == 0).float()
            return (distances * weights).sum(1) / weights.sum() - (distances * others).sum(1) / others.sum()

        assert set(code.tolist()) <= {-1.0, 1.0}
        torch.testing.assert_close(cost(code[None])[0], cost(codes).min())


def test_a_tie_is_a_plus():
    sample = torch.tensor([[1.0, -1], [1, -1], [1, 1], [1, 1]])
    assert centre_code(torch.tensor([[True, False, True, False]]), sample).tolist() == [[1, 1]]


def test_bits_of_the_centre_code_are_turned_and_the_seed_counts(surrogates, draw_photos):
    surrogate, photos = surrogates["logits"], draw_photos(3, 24, 24, 5)
    labels = torch.tensor([2, 0, 1])
    same = labels[:, None] == surrogate.labels
    codes = torch.stack([sign(surrogate.sample[rows].mean(0) - surrogate.sample[~rows].mean(0)) for rows in same])
    runs = [Run(LInf(8), 20, seeds, labels=labels) for seeds in ((0, 1, 2), (7, 8, 9))]
    results = [CentreCode()(photos, [surrogate], run).photos for run in runs]
    before, after = (hamming(sign(surrogate.encoder(each)), codes).diagonal() for each in (photos, results[0]))
    assert (before <= 18).all()
    assert (after >= 20).all(), (before, after)
    assert not torch.equal(*results)


def test_a_class_that_the_sample_does_not_know_is_refused(surrogates, draw_photos):
    run = Run(LInf(8), 1, [0], labels=torch.tensor([9]))
    with pytest.raises(MethodError, match="photos of the photo's own class and of others"):
        CentreCode()(draw_photos(1, 24, 24, 5), [surrogates["logits"]], run)


def test_constants_are_the_papers():
    method = CentreCode()
    assert (method.budget, method.steps, method.size) == (8, 100, 1)
