"""What the service is started with, and what may be asked of it for one photo."""

from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from recessive.cli.protect_options import ProtectOptions
from recessive.errors import SettingsError
from recessive.protection.methods import METHODS
from recessive.service.settings import JobOptions, ServiceSettings, check_options, usable_methods
from recessive.workflows import Protector, ProtectSettings

NOT_OFFERED = {
    *("gallery", "sample", "label", "target"),  # files of the machine
    *("device", "precision"),  # whoever runs the workers decides
}


def test_options_are_those_of_the_command_line():
    offered = {field.name for field in fields(ProtectOptions)} - NOT_OFFERED
    assert set(JobOptions.model_fields) == offered | {"deliver_to", "passes"}


def test_what_is_left_out_is_as_on_the_command_line():
    assert JobOptions().protect_settings() == ProtectSettings()


def test_everything_reaches_the_protector():
    options = JobOptions(
        method="pire",
        encoder=("conv-gem",),
        budget=4,
        norm="l2",
        steps=3,
        survive="jpeg:75",
        check=("resize:0.50", "blur:1"),
        grid=512,
        seed=7,
        format=".JPG",
        quality=80,
        keep_location=True,
        deliver_to="https://photos.example/in",
        passes="all",
    )
    assert options.protect_settings(Path("album")) == ProtectSettings(
        method="pire",
        encoders=("conv-gem",),
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
        {"encoder": "nosuch"},
        {"encoder": "bovw-he"},  # no gradient
        {"encoder": "hashnet-48-cifar-10"},  # no stored outputs
        {"encoder": ["conv-gem", "/etc/passwd"]},  # a file of this machine
        {"encoder": "gem:/etc/passwd"},
        {"encoder": "timm:resnet18"},  # a download
        {"budget": float("inf")},
        {"budget": -1},
        {"steps": 1001},
        {"grid": 4096},
        {"survive": ["jpeg:75"] * 9},
        {"check": "shrink:2"},
        {"format": "bmp"},
        {"quality": 0},
        {"passes": "some"},
        {"deliver_to": "x" * 2001},
        {"sample": "/etc"},
        {"gallery": "/etc"},
        {"device": "cuda"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError) as refused:
        JobOptions(**wrong)
    assert {error["loc"][0] for error in refused.value.errors()} == set(wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "pire", "encoder": ("conv-gem", "conv-hash")}, "not so: conv-hash"),
    ],
)
def test_encoders_that_do_not_fit_are_refused_as_a_protector_would(options, said):
    options = JobOptions(**options)
    with pytest.raises(SettingsError, match=said) as refused:
        check_options(options)
    with pytest.raises(SettingsError) as would_be:
        Protector(options.protect_settings())
    assert str(refused.value) == str(would_be.value)


def test_methods_that_can_be_run_lack_nothing():
    assert set(METHODS) - set(usable_methods()) == {
        name for name, method in METHODS.items() if {"labels", "target"} & method.needs
    }
    for name in usable_methods():
        check_options(JobOptions(method=name))


def test_jobs_lie_in_a_file_of_the_folder_unless_a_database_is_named(tmp_path):
    assert ServiceSettings(folder=tmp_path).url == f"sqlite:///{tmp_path}/jobs.sqlite3"
    assert ServiceSettings(database_url="postgresql://db/jobs").url == "postgresql://db/jobs"
