"""What can be asked for: one declaration for the command line, the HTTP API and Python."""

import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from recessive.errors import SettingsError
from recessive.options import (
    JobOptions,
    OptionsError,
    PrivateQueryOptions,
    ProtectOptions,
    ServiceOptions,
    TrainOptions,
    check,
    dump,
    explain,
    json_schema,
    read,
)
from recessive.options.protect import usable_methods
from recessive.protection.methods import METHODS
from recessive.service.http.api.options import form_schema, job_options
from recessive.service.http.problems import Problem
from recessive.workflows import Protector

NOT_OFFERED = {
    *("gallery", "sample", "label", "target"),  # files of the machine
    *("device", "precision"),  # whoever runs the workers decides
}
TIGHTER = {
    "steps": {"maximum": 1000},
    "grid": {"maximum": 2048},
    "method": {"enum": list(usable_methods())},
}
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "default"}


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
        {"survive": ("jpeg:0",)},
        {"survive": ("shrink:2",)},
        {"check": ("shrink:2",)},
        {"format": "bmp"},
        {"set": ("clusters",)},
        {"set": ("=3",)},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(OptionsError) as refused:
        check(ProtectOptions(**wrong))
    assert [name for name, _ in refused.value.errors] == list(wrong)
    assert str(refused.value).startswith(f"--{next(iter(wrong))}: ")


def test_each_option_that_makes_no_sense_is_named_once():
    with pytest.raises(OptionsError) as refused:
        check(ProtectOptions(grid=1, keep_location="perhaps", survive=("jpeg:0", "jpeg:0")))
    assert [name for name, _ in refused.value.errors] == ["survive", "grid", "keep-location"]
    assert [line.partition(": ")[0] for line in refused.value.lines] == ["--survive", "--grid", "--keep-location"]


def test_an_unknown_option_is_refused():
    with pytest.raises(OptionsError, match="--surprise: there is no such option"):
        read(ProtectOptions, {"surprise": 1})


def test_options_are_fixed_once_made():
    with pytest.raises(FrozenInstanceError):
        ProtectOptions().budget = 4


def test_transforms_and_formats_have_one_spelling():
    options = check(ProtectOptions(survive=("resize:0.50", "jpeg:075"), format=".JPG"))
    assert (options.survive, options.format) == (("resize:0.5", "jpeg:75"), "jpeg")


def test_constants_are_read_as_names_and_values():
    assert check(ProtectOptions(set=(" clusters = 30", "curve=tanh"))).constants == {"clusters": "30", "curve": "tanh"}


def test_a_budget_of_nothing_may_be_asked_for():
    assert check(ProtectOptions(budget=0)).budget == 0


@pytest.mark.parametrize("cls", [ProtectOptions, PrivateQueryOptions, JobOptions, ServiceOptions, TrainOptions])
def test_options_are_explained_and_go_through_json(cls):
    assert explain(cls).keys() == {field.name for field in fields(cls)}
    assert all(text.endswith(".") for text in explain(cls).values())
    assert read(cls, json.loads(json.dumps(dump(cls())))) == check(cls()) == cls()


def test_paths_go_through_json():
    options = ProtectOptions(gallery=Path("album"), target=(Path("a.jpg"), Path("b.jpg")), encoder=("conv-gem",))
    assert read(ProtectOptions, json.loads(json.dumps(dump(options)))) == options


@pytest.mark.parametrize("name", [field.name for field in fields(ProtectOptions)])
def test_an_option_is_in_the_help_and_in_the_form_with_the_same_bounds(recessive, name):
    option, explanation = name.replace("_", "-"), explain(ProtectOptions)[name]
    words = "".join(char for char in recessive("protect", "--help").stdout if char not in "│\n ")
    assert f"--{option}" in words
    assert explanation.replace(" ", "") in words
    form = form_schema()["properties"]
    if name in NOT_OFFERED:
        assert option not in form
        return
    declared, offered = (
        {key: value for key, value in schema.items() if key in BOUNDS}
        for schema in (json_schema(ProtectOptions)[name], form[option])
    )
    assert declared | TIGHTER.get(name, {}) == offered
    assert form[option]["description"] == explanation


def test_the_service_offers_the_options_of_the_command_line():
    offered = {field.name for field in fields(ProtectOptions)} - NOT_OFFERED
    assert set(json_schema(JobOptions)) == offered | {"deliver_to", "passes"}


def test_what_is_left_out_is_as_on_the_command_line():
    assert JobOptions().protect_options() == ProtectOptions()


def test_everything_reaches_the_protector():
    options = JobOptions(
        method="pire",
        encoder=("conv-gem",),
        budget=4,
        norm="l2",
        steps=3,
        survive=("jpeg:75",),
        check=("resize:0.50", "blur:1"),
        grid=512,
        seed=7,
        format=".JPG",
        quality=80,
        keep_location=True,
        deliver_to="https://photos.example/in",
        passes="all",
    )
    assert check(options).protect_options(Path("album")) == ProtectOptions(
        method="pire",
        encoder=("conv-gem",),
        budget=4,
        norm="l2",
        steps=3,
        survive=("jpeg:75",),
        check=("resize:0.5", "blur:1"),
        grid=512,
        seed=7,
        format="jpeg",
        quality=80,
        keep_location=True,
        gallery=Path("album"),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "mainstay"},  # needs labels
        {"method": "tma"},  # needs a target
        {"method": "none-such"},
        {"encoder": ["nosuch"]},
        {"encoder": ["bovw-he"]},  # no gradient
        {"encoder": ["hashnet-48-cifar-10"]},  # no stored outputs
        {"encoder": ["conv-gem", "/etc/passwd"]},  # a file of this machine
        {"encoder": ["gem:/etc/passwd"]},
        {"encoder": ["timm:resnet18"]},  # a download
        {"budget": float("inf")},
        {"budget": -1},
        {"steps": 1001},
        {"grid": 4096},
        {"survive": ["jpeg:75"] * 9},
        {"check": ["shrink:2"]},
        {"format": "bmp"},
        {"quality": 0},
        {"passes": "some"},
        {"deliver_to": "x" * 2001},
        {"sample": "/etc"},
        {"gallery": "/etc"},
        {"device": "cuda"},
    ],
)
def test_what_the_service_cannot_do_is_refused(wrong):
    with pytest.raises(OptionsError) as refused:
        read(JobOptions, wrong)
    assert {name.replace("-", "_") for name, _ in refused.value.errors} == set(wrong)


def test_encoders_that_do_not_fit_are_refused_as_a_protector_would():
    options = JobOptions(method="pire", encoder=("conv-gem", "conv-hash"))
    with pytest.raises(Problem, match="not so: conv-hash") as refused:
        job_options({"method": ["pire"], "encoder": ["conv-gem", "conv-hash"]}, ServiceOptions())
    with pytest.raises(SettingsError) as would_be:
        Protector(options.protect_options())
    assert [(error.option, error.detail) for error in refused.value.errors] == [("encoder", str(would_be.value))]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("cluster=3", "cwdm has no constant 'cluster' (did you mean clusters?)"),
        ("clusters=0", "clusters of cwdm must be a whole number of at least 1, not 0"),
        ("clusters=201", "the service allows clusters of at most 200 for cwdm"),
    ],
)
def test_constants_that_do_not_fit_are_refused_before_a_job_is_made(given, said):
    with pytest.raises(Problem) as refused:
        job_options({"method": ["cwdm"], "set": [given]}, ServiceOptions())
    ((option, detail),) = ((error.option, error.detail) for error in refused.value.errors)
    assert option == "set"
    assert detail.startswith(said)
    assert job_options({"method": ["cwdm"], "set": ["clusters=200"]}, ServiceOptions()).set == ("clusters=200",)


def test_methods_that_can_be_run_lack_nothing():
    assert set(METHODS) - set(usable_methods()) == {
        name for name, method in METHODS.items() if {"labels", "target"} & method.needs
    }
    for name in usable_methods():
        assert job_options({"method": [name]}, ServiceOptions()).method == name


def test_jobs_lie_in_a_file_of_the_folder_unless_a_database_is_named(tmp_path):
    assert ServiceOptions(folder=tmp_path).url == f"sqlite:///{tmp_path}/jobs.sqlite3"
    assert ServiceOptions(database_url="postgresql://db/jobs").url == "postgresql://db/jobs"
