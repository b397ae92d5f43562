"""Our loop with sign steps is PGD, step for step that of torchattacks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
import torchattacks
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from recessive.balls import LInf
from recessive.codes import sign
from recessive.protection.optimise import Ensemble, minimise
from recessive.protection.steps import Sign

LEVEL = 255 / 256  # sizes and photos in 1/256: sums are exact, and two right programs agree to the last bit
BUDGET = 5 * LEVEL
STEPS = 12


def classes(outputs, codes):
    """Logits to class scores (N, 2): the similarity to the original's code, and 0."""
    similarity = (outputs.tanh() * codes).mean(1)
    return torch.stack([similarity, torch.zeros_like(similarity)], dim=1)


@dataclass(frozen=True)
class LikeTheOriginal:
    """Minus the cross entropy that torchattacks raises."""

    codes: Tensor

    def __call__(self, outputs, progress):  # noqa: ARG002
        return -cross_entropy(classes(outputs, self.codes), torch.zeros(len(outputs)).long(), reduction="none")

    def score(self, outputs):
        return self(outputs, 1.0)

    def of(self, rows):
        return LikeTheOriginal(self.codes[rows])


class Classifier(nn.Module):
    def __init__(self, encoder, codes):
        super().__init__()
        self.encoder, self.codes = encoder, codes

    def forward(self, photos):
        return classes(self.encoder(photos), self.codes)


@pytest.mark.parametrize("random_start", [False, True])
def test_every_iterate_is_that_of_torchattacks(encoders, random_start):
    encoder = encoders["logits"]
    low, high = (64, 193) if random_start else (0, 257)  # a random start near 0 has no exact sums
    photos = torch.randint(low, high, (4, 3, 24, 24), generator=torch.Generator().manual_seed(0)) / 256
    codes = sign(encoder(photos))
    classifier, loss = Classifier(encoder, codes).eval(), Ensemble([encoder], [LikeTheOriginal(codes)])

    def theirs(steps):
        with torch.random.fork_rng():
            torch.manual_seed(1)
            attack = torchattacks.PGD(classifier, BUDGET / 255, LEVEL / 255, steps, random_start)
            return attack(photos, torch.zeros(4, dtype=torch.int64))

    start = theirs(0)
    assert torch.equal(start, photos) != random_start
    iterates = [start]
    for steps in range(1, STEPS + 1):
        found = minimise(loss, photos, step=Sign(LEVEL), ball=LInf(BUDGET), steps=steps, start=start)
        assert found.steps.tolist() == [steps] * 4
        iterates.append(found.photos)
        assert torch.equal(found.photos, theirs(steps)), steps
    moves = [256 * (after - before).abs().amax() for before, after in pairwise(iterates)]
    assert min(moves) >= 0.99  # none stood still
    assert 256 * (iterates[-1] - photos).abs().max() == 5
