"""Constants of methods: listed with what they take and mean, and changed by name from text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import pytest

from recessive.errors import RecessiveError, kind_of
from recessive.protection.constants import Bounds, Share
from recessive.protection.method import GradientFree, MethodError, constants, defaults, with_constants
from recessive.protection.methods import METHODS


@dataclass(frozen=True)
class Stage:
    """A part.

    Attributes:
        share: the share
            of the part.
    """

    share: Share = 0.5


@dataclass(frozen=True)
class Example(GradientFree):
    """A method.

    Attributes:
        clusters: the number of clusters;
            more are slower.
        rate: the rate.

    It does nothing.
    """

    name: str = "example"
    summary: str = "s"
    paper: str = "p"
    departures: str = "d"
    clusters: Annotated[int, Bounds(1)] = 20
    rate: Annotated[float, Bounds(0, 2, above=True)] = 1.0
    voters: int | None = 1
    squared: bool = False
    form: Literal["paper", "released"] = "paper"
    scales: tuple[Share, ...] = (1.0,)
    label: str = "a"
    stages: tuple[Stage, ...] = (Stage(),)
    part: Stage = Stage(0.25)

    def change(self, photos, seeds):  # noqa: ARG002
        return photos


METHOD = Example()


def test_constants_are_listed_with_what_they_take_and_mean():
    listed = {constant.name: constant for constant in constants(METHOD)}
    assert {name: (each.type, each.default, each.explanation) for name, each in listed.items()} == {
        "clusters": ("a whole number of at least 1", 20, "the number of clusters; more are slower."),
        "rate": ("a number above 0 and up to 2", 1.0, "the rate."),
        "voters": ("a whole number or none", 1, ""),
        "squared": ("true or false", False, ""),
        "form": ("paper or released", "paper", ""),
        "scales": ("a number from 0 to 1, or several with commas between", (1.0,), ""),
        "label": ("a text", "a", ""),
        "stage.share": ("a number from 0 to 1", 0.5, "the share of the part."),
        "part.share": ("a number from 0 to 1", 0.25, "the share of the part."),
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("clusters", "30", 30),
        ("rate", "0.25", 0.25),
        ("rate", "1", 1.0),
        ("rate", "5e-1", 0.5),
        ("voters", "none", None),
        ("voters", "None", None),
        ("voters", "3", 3),
        ("squared", "true", True),
        ("squared", "No", False),
        ("form", "released", "released"),
        ("scales", "1,0.5", (1.0, 0.5)),
        ("label", "b", "b"),
        ("stage.share", "0.1", 0.1),
        ("part.share", "0", 0.0),
    ],
)
def test_values_are_read_by_the_type_of_the_field(name, text, value):
    changed = with_constants(METHOD, {name: text})
    found = {constant.name: constant.default for constant in constants(changed)}
    assert found == {constant.name: constant.default for constant in constants(METHOD)} | {name: value}
    assert type(found[name]) is type(value)
    assert Example() == METHOD


def test_several_are_changed_at_once():
    assert with_constants(METHOD, {"clusters": "3", "part.share": "1"}) == Example(clusters=3, part=Stage(1.0))
    assert with_constants(METHOD, {}) == METHOD


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "cluster",
            "3",
            "example has no constant 'cluster' (did you mean clusters?); its constants are clusters, rate, ",
        ),
        ("xyz", "3", "example has no constant 'xyz'; its constants are clusters, "),
        ("summary", "x", "example has no constant 'summary'"),
        ("clusters", "many", "clusters of example must be a whole number of at least 1, not 'many'"),
        ("clusters", "2.5", "clusters of example must be a whole number of at least 1, not '2.5'"),
        ("clusters", "0", "clusters of example must be a whole number of at least 1, not 0"),
        ("rate", "0", "rate of example must be a number above 0 and up to 2, not 0.0"),
        ("rate", "nan", "rate of example must be a number above 0 and up to 2, not nan"),
        ("rate", "inf", "rate of example must be a number above 0 and up to 2, not inf"),
        ("squared", "maybe", "squared of example must be true or false, not 'maybe'"),
        ("form", "mine", "form of example must be paper or released, not 'mine'"),
        ("scales", "", "scales of example must be a number from 0 to 1, or several with commas between, not ''"),
        (
            "scales",
            "1,2",
            "scales of example must be a number from 0 to 1, or several with commas between, not (1.0",
        ),
        ("stage.share", "2", "stage.share of example must be a number from 0 to 1, not 2.0"),
        ("part.share", "-1", "part.share of example must be a number from 0 to 1, not -1.0"),
        ("budget", "3", "budget is an option of its own: give --budget 3"),
        ("steps", "3", "steps is an option of its own: give --steps 3"),
    ],
)
def test_what_does_not_fit_is_refused(name, text, said):
    with pytest.raises(MethodError) as refused:
        with_constants(METHOD, {name: text})
    assert said in str(refused.value)


def test_a_method_without_constants_says_so():
    plain = METHODS["gaussian-noise"]
    assert [constant.name for constant in constants(plain)] == ["sigma"]
    with pytest.raises(MethodError, match="gaussian-noise has no constant 'strength'; its constants are sigma"):
        with_constants(plain, {"strength": "3"})


def test_no_method_is_built_with_values_out_of_range():
    with pytest.raises(MethodError, match="steps of example must be a whole number of at least 0, not -1"):
        replace(METHOD, steps=-1)
    with pytest.raises(MethodError, match="budget of example must be a number from 0 to 255, not 300"):
        Example(budget=300)
    with pytest.raises(MethodError, match="clusters of example must be"):
        Example(clusters=True)


def test_an_error_of_a_method_is_a_request_that_cannot_be_met():
    error = MethodError("no such thing")
    assert isinstance(error, RecessiveError)
    assert isinstance(error, ValueError)
    assert kind_of(error) == "request"


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_constant_of_every_method_is_explained_and_keeps_its_value_when_read(method):
    for constant in constants(method):
        assert constant.explanation.endswith("."), constant
        value = constant.default
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert with_constants(method, {constant.name: text}) == method
        assert constant.name in defaults(method)
