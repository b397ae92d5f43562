"""Errors are one sentence, a path and a kind."""

import errno
import os
import pickle
from pathlib import Path

import pytest

from recessive.errors import (
    MACHINE_ERRNOS,
    ONE_PHOTO,
    MachineError,
    PhotoError,
    SettingsError,
    kind_of,
    photo_error,
    readable,
)


def test_an_error_is_one_line_after_its_path():
    assert str(SettingsError("--steps is\n  too large")) == "--steps is too large"
    error = MachineError("the disk is full", Path("a\nb.jpg"))
    assert (str(error), error.problem, error.path) == (
        "a\\nb.jpg: the disk is full",
        "the disk is full",
        Path("a\nb.jpg"),
    )


def test_paths_are_printable_whatever_their_bytes():
    assert readable(Path("æ/日本/photo.jpg")) == "æ/日本/photo.jpg"
    assert readable(Path(os.fsdecode(b"latin-\xe9\x1b[31m"))) == "latin-\\xe9\\x1b[31m"


@pytest.mark.parametrize(
    "error", [PhotoError(Path("a.jpg"), "is broken"), SettingsError("unknown"), MachineError("full", Path("b"))]
)
def test_errors_cross_processes(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is type(error)
    assert (str(copy), copy.problem, copy.path) == (str(error), error.problem, error.path)


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PhotoError(Path("a"), "is broken"), "photo"),
        (SettingsError("unknown"), "request"),
        (MachineError("full"), "machine"),
        (ValueError("anything else"), "photo"),
        (MemoryError(), "machine"),
        (FileNotFoundError(errno.ENOENT, "missing"), "photo"),
        *((OSError(number, "trouble"), "machine") for number in sorted(MACHINE_ERRNOS)),
        (caused(PhotoError(Path("a"), "cannot be written"), OSError(errno.ENOSPC, "full")), "machine"),
        (caused(PhotoError(Path("a"), "cannot be read"), ValueError("broken")), "photo"),
        (caused(RuntimeError("outer"), caused(ValueError("inner"), SettingsError("unknown"))), "request"),
    ],
)
def test_the_kind_says_whose_fault_it_is(error, kind):
    assert kind_of(error) == kind


def test_what_goes_wrong_with_a_photo_becomes_its_error():
    error, path = ValueError("two\nlines"), Path("a.jpg")
    found = photo_error(path, error)
    assert (str(found), found.__cause__) == ("a.jpg: cannot be protected: two lines", error)
    assert str(photo_error(path, MemoryError(), "audited")) == "a.jpg: cannot be audited: not enough memory"
    own = PhotoError(Path("b.jpg"), "is broken")
    assert photo_error(path, own) is own
    assert isinstance(own, ONE_PHOTO)
