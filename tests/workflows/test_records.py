"""Records of what is done."""

import json
import os

import pytest

from recessive.workflows.protect import finished, remember


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"a photo")
    return path


def record_of(output):
    return output.parent / ".recessive" / f"{output.name}.json"


def test_what_was_remembered_is_finished(output):
    remember(output, "asked", {"verdict": "hidden"})
    assert finished(output) == finished(output, "asked") == {"verdict": "hidden"}
    assert finished(output, "otherwise") is None
    assert list(record_of(output).parent.iterdir()) == [record_of(output)]


def test_an_output_that_was_touched_or_removed_is_not(output):
    remember(output, "asked", {})
    output.write_bytes(b"a photo, edited")
    assert finished(output, "asked") is None
    output.unlink()
    assert finished(output, "asked") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"output": 3}', "\xff"])
def test_what_is_not_a_record_counts_as_none(output, text):
    record_of(output).parent.mkdir()
    record_of(output).write_text(text, encoding="latin-1")
    assert finished(output) is None


def test_a_record_is_written_whole_or_not_at_all(output, monkeypatch):
    remember(output, "asked", {"verdict": "hidden"})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        remember(output, "asked", {"verdict": "other"})
    assert json.loads(record_of(output).read_text())["report"] == {"verdict": "hidden"}
    assert list(record_of(output).parent.iterdir()) == [record_of(output)]
