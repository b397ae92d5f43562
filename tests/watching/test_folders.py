"""The folders of a watch."""

import runpy
from pathlib import Path

import pytest

from recessive.errors import SettingsError

pytestmark = pytest.mark.usefixtures("tiny_encoders")

_watching = runpy.run_path(str(Path(__file__).with_name("watching.py")))
clock, incoming, out, held, complaints, watch, passing, stubborn, protections = (
    _watching[name]
    for name in ("clock", "incoming", "out", "held", "complaints", "watch", "passing", "stubborn", "protections")
)


@pytest.mark.parametrize(
    ("folder", "out", "held"),
    [
        ("in", "in", "held"),
        ("in", "in/out", "held"),
        ("in/photos", "in", "held"),
        ("in", "out", "out/held"),
        ("in", "out/x", "out"),
        ("in", "out", "in/held"),
        ("in/photos", "out", "in"),
        ("in", "out", "out"),
        ("in", "link", "held"),
        ("in", "link/out", "held"),
    ],
)
def test_the_folders_lie_apart(watch, tmp_path, folder, out, held, incoming):
    (incoming / "photos").mkdir()
    (tmp_path / "link").symlink_to(incoming)
    with pytest.raises(SettingsError, match=r" lies in .*; the folders IN, OUT and --held must lie apart"):
        watch(folder=tmp_path / folder, out=tmp_path / out, how={"held": tmp_path / held})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "link"]


@pytest.mark.parametrize("out", ["out", "some/where/out", ".", "out/"])
def test_held_photos_lie_beside_out(watch, stubborn, tmp_path, out, monkeypatch):
    stubborn()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (result,) = watch(out=Path(out))
    place = Path(out).resolve()
    assert Path(result.output).resolve() == place.parent / f"{place.name}-held" / "hard.png"


def test_folders_that_cannot_be_used_are_an_error(watch, tmp_path):
    with pytest.raises(SettingsError, match="nowhere: is not a folder; name the folder where photos arrive"):
        watch(folder=tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for wrong in ({"out": tmp_path / "file"}, {"how": {"held": tmp_path / "file"}}):
        with pytest.raises(SettingsError, match="file cannot be created: File exists; choose another folder"):
            watch(**wrong)
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / ".recessive").touch()
    with pytest.raises(SettingsError, match=r"\.recessive cannot be created: File exists; choose another --held"):
        watch(how={"held": tmp_path / "held"})
