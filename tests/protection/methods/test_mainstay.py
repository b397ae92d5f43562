"""Weights of the mainstay code, and what the method does with it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from recessive.balls import LInf
from recessive.codes import hamming, sign
from recessive.protection.method import MethodError, Run
from recessive.protection.methods.class_codes import Mainstay, label_cosine

SEVERAL = torch.tensor([[1, 1, 0, 0], [0, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 1, 1]]).bool()


def test_weights_are_the_cosines_of_the_labels(surrogates):
    photos = torch.tensor([[1, 1, 1, 0], [0, 0, 0, 1]]).bool()
    surrogate = replace(surrogates["logits"], sample=surrogates["logits"].sample[:5], labels=SEVERAL)
    expected = [
        [sum(a * b for a, b in zip(y, z, strict=True)) / math.sqrt(sum(y) * sum(z)) for z in SEVERAL.tolist()]
        for y in photos.tolist()
    ]
    weights = label_cosine(surrogate, Run(LInf(8), 1, [0, 1], labels=photos))
    torch.testing.assert_close(weights, torch.tensor(expected))


def test_of_one_label_each_weights_are_1_and_0(surrogates):
    weights = label_cosine(surrogates["logits"], Run(LInf(8), 1, [0], labels=torch.tensor([1])))
    assert torch.equal(weights, (surrogates["logits"].labels == 1).float()[None])


def test_bits_of_the_mainstay_code_are_turned(surrogates, draw_photos):
    photos, labels = draw_photos(2, 24, 24, 5), torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1]]).bool()
    surrogate = replace(surrogates["logits"], labels=SEVERAL.repeat(12, 1))
    run = Run(LInf(8), 20, [0, 1], labels=labels)
    weights = label_cosine(surrogate, run)
    similar = weights @ surrogate.sample / weights.sum(1, keepdim=True)
    others = torch.stack([surrogate.sample[row == 0].mean(0) for row in weights])
    codes = sign(similar - others)
    assert not torch.equal(codes, sign((weights > 0).float() @ surrogate.sample))
    found = Mainstay()(photos, [surrogate], run).photos
    before, after = (hamming(sign(surrogate.encoder(each)), codes).diagonal() for each in (photos, found))
    assert (after >= before + 6).all(), (before, after)


def test_a_photo_of_all_of_the_samples_kind_is_refused(surrogates, draw_photos):
    surrogate = replace(surrogates["logits"], labels=torch.zeros(60, dtype=torch.int64))
    with pytest.raises(MethodError, match="photos of the photo's own class and of others"):
        Mainstay()(draw_photos(1, 24, 24, 5), [surrogate], Run(LInf(8), 1, [0], labels=torch.tensor([0])))


def test_constants_are_the_released_codes():
    method = Mainstay()
    assert (method.budget, method.steps, method.size) == (8, 100, 1)
