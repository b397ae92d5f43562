"""Recipes: one for every loss, and constants that mean something."""

from __future__ import annotations

import dataclasses

import pytest

from recessive.hashing import FROM_SCRATCH, LOSSES, PUBLISHED, Recipe, TrainingError


@pytest.mark.parametrize("recipes", [PUBLISHED, FROM_SCRATCH], ids=["published", "from-scratch"])
def test_every_loss_has_a_recipe_that_says_where_it_comes_from(recipes):
    assert list(recipes) == list(LOSSES)
    assert all(recipe.note for recipe in recipes.values())


@pytest.mark.parametrize(
    ("name", "iterations", "photos"), [("hashnet", 10_000, 10_000), ("dsh", 70_000, 50_000), ("dbh", 50_000, 50_000)]
)
def test_published_iterations_are_epochs_of_their_data_set(name, iterations, photos):
    recipe = PUBLISHED[name]
    assert recipe.epochs == round(iterations * recipe.batch / photos)


def test_published_steps_lie_where_the_papers_have_them():
    assert [round(share * 10_000) for share in PUBLISHED["hashnet"].milestones] == [2000, 4000, 6000, 8000]
    assert [round(share * 150) for share in PUBLISHED["dpsh"].milestones] == [50, 100]
    assert [round(share * 70_000) for share in PUBLISHED["dsh"].milestones] == [60_000, 65_000]
    assert [round(share * 50) for share in PUBLISHED["greedy-hash"].milestones] == [30]
    assert [round(share * 90) for share in PUBLISHED["csq"].milestones] == [10, 20, 30, 40, 50, 60, 70, 80]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimiser": "lion"}, "unknown optimiser 'lion'; choose one of sgd, adam, adamw"),
        ({"schedule": "cosine"}, "unknown schedule 'cosine'; choose one of one-cycle, step"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"lr": float("nan")}, "lr must be positive"),
        ({"head_factor": -1.0}, "head_factor must be positive"),
        ({"batch": 0}, "1 epoch and 2 photos per batch are needed, not 30 and 0"),
        ({"batch": 1}, "1 epoch and 2 photos per batch are needed, not 30 and 1"),
        ({"epochs": 0}, "1 epoch and 2 photos per batch are needed, not 0 and 128"),
        ({"momentum": 0.0}, "Nesterov momentum needs a positive momentum"),
        ({"momentum": 1.0}, "momentum 1.0 is out of range"),
        ({"weight_decay": -1e-4}, "weight decay -0.0001"),
        ({"warm_up": 1.5}, "warm-up 1.5"),
        ({"milestones": (0.5, 1.0)}, r"milestones \(0.5, 1.0\) must lie between 0 and 1"),
        ({"milestones": (0.5, 0.2)}, "must increase"),
    ],
)
def test_constants_without_meaning_are_refused(change, message):
    with pytest.raises(TrainingError, match=message):
        dataclasses.replace(FROM_SCRATCH["hashnet"], **change)


def test_a_recipe_is_a_value():
    assert dataclasses.replace(FROM_SCRATCH["dsh"]) == FROM_SCRATCH["dsh"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        FROM_SCRATCH["dsh"].lr = 1.0
    assert isinstance(PUBLISHED["csq"], Recipe)
