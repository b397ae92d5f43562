"""What can be asked for."""

import pytest
from pydantic import ValidationError

from recessive.workflows import ProtectSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": -0.5},
        {"budget": -8},
        {"budget": float("nan")},
        {"budget": float("inf")},
        {"budget": 256},
        {"steps": 0},
        {"steps": 1.5},
        {"grid": 31},
        {"seed": -1},
        {"seed": 2**63},
        {"quality": 0},
        {"quality": 101},
        {"norm": "l3"},
        {"encoders": ()},
        {"survive": ("jpeg:0",)},
        {"survive": ("shrink:2",)},
        {"check": ("shrink:2",)},
        {"surprise": 1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError) as refused:
        ProtectSettings(**wrong)
    assert [error["loc"][0] for error in refused.value.errors()] == list(wrong)


def test_settings_are_fixed_once_made():
    with pytest.raises(ValidationError, match="frozen"):
        ProtectSettings().budget = 4


def test_transforms_have_one_spelling():
    assert ProtectSettings(survive=("resize:0.50", "jpeg:075")).survive == ("resize:0.5", "jpeg:75")


def test_a_budget_of_nothing_may_be_asked_for():
    assert ProtectSettings(budget=0).budget == 0
