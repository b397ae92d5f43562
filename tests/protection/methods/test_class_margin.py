"""ClassMargin against loops over the sample."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from recessive.codes import sign
from recessive.protection.methods.gradient_difference import ClassMargin

CLASSES = [[0, 3, 4], [1, 2, 5, 6], [7, 8]]  # rows of the sample
OWN = torch.tensor([[True, False, False], [False, False, True], [True, True, False]])
OTHER = torch.tensor([2, 0, 2])


def draw(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed))


def made(outputs):
    """The objective, what the photos give, and the class scores by loops: soft and hard ones."""
    given = draw(3, 8, 0)
    if outputs == "logits":
        sample, soft, hard, count = sign(draw(9, 8, 1)), given.tanh(), sign(given), 8
    else:
        given = soft = hard = normalize(given)
        sample, count = normalize(draw(9, 8, 1)), 1
    means = torch.stack([sample[rows].mean(0) for rows in CLASSES])
    scores = [
        [[sum(float(item @ sample[row]) / count for row in rows) / len(rows) for rows in CLASSES] for item in items]
        for items in (soft, hard)
    ]
    return ClassMargin(means, OWN, OTHER, outputs), given, scores


@pytest.mark.parametrize("outputs", ["logits", "descriptor"])
def test_it_is_the_own_classes_mean_similarity_minus_that_of_the_other(outputs):
    objective, given, (soft, _) = made(outputs)
    expected = [soft[0][0] - soft[0][2], soft[1][2] - soft[1][0], (soft[2][0] + soft[2][1]) / 2 - soft[2][2]]
    torch.testing.assert_close(objective(given, 0.5), torch.tensor(expected))


@pytest.mark.parametrize("outputs", ["logits", "descriptor"])
def test_it_scores_0_where_the_other_class_is_the_best_of_all(outputs):
    objective, given, (_, hard) = made(outputs)
    best = torch.tensor(hard).argmax(1)
    assert torch.equal(objective.score(given), (best != OTHER).float())
    reached = ClassMargin(objective.means, OWN, best, outputs)
    assert reached.score(given).tolist() == [0, 0, 0]


def test_it_takes_some_photos_with_their_classes():
    objective, given, _ = made("logits")
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(objective.of(rows)(given[rows], 0.0), objective(given, 0.0)[rows])
    torch.testing.assert_close(objective.of(rows).score(given[rows]), objective.score(given)[rows])
