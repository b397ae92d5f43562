"""One photo of a watched folder: what becomes of it, and when it has another chance."""

import errno
import os
import runpy
import shutil
from pathlib import Path

import pytest
from PIL import Image

from recessive.options import ProtectOptions
from recessive.photos import PhotoError, read_photo
from recessive.watching import photo as watched_photo
from recessive.workflows import Protector, protect_photos
from recessive.workflows.protect import finished

pytestmark = pytest.mark.usefixtures("tiny_encoders")

_watching = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
MORE, loaded, names, states, unjudged = (_watching[name] for name in ("MORE", "loaded", "names", "states", "unjudged"))


def test_what_passes_is_passed_on_and_what_does_not_is_held(watch, passing, stubborn, incoming, out, held, complaints):
    passing("a.jpg")
    stubborn("DCIM/100CANON/IMG_0001.JPG")
    passing("DCIM/100CANON/IMG_0002.JPG", seed=1)
    kept, first, second = watch()
    assert states([kept, first, second]) == [
        ("IMG_0001.JPG", "held"),
        ("IMG_0002.JPG", "protected"),
        ("a.jpg", "protected"),
    ]
    assert sorted(path.name for path in out.rglob("*")) == ["100CANON", "DCIM", "IMG_0002.JPG", "a.jpg"]
    assert names(held) == ["DCIM/100CANON/IMG_0001.JPG"]
    assert (first.input, first.output) == (
        str(incoming / "DCIM/100CANON/IMG_0002.JPG"),
        str(out / "DCIM/100CANON/IMG_0002.JPG"),
    )
    assert (first.report.input, first.report.output, first.reason) == (first.input, first.output, None)
    assert first.report.hidden
    assert read_photo(first.output).pixels.shape == (3, 48, 64)
    assert kept.reason == kept.report.verdict
    assert kept.reason.startswith("FOUND by the encoders it was optimised against (tiny-gem at rank 1)")
    assert finished(Path(kept.output))["verdict"] == kept.reason
    assert complaints == []


def test_all_that_are_asked_may_have_a_say(watch, passing, held):
    passing()
    (result,) = watch(how={"passes": "all"})
    assert (result.state, result.report.hidden, result.report.hidden_unseen) == ("held", True, False)
    assert names(held) == ["a.png"]


def test_what_is_done_is_not_done_again_nor_read(watch, passing, stubborn, out, protections, monkeypatch):
    passing()
    stubborn()
    assert len(watch()) == 2
    read = []
    monkeypatch.setattr(watched_photo, "file_digest", read.append)
    assert watch() == watch(until=30) == []
    assert protections == ["a.png", "hard.png"]
    assert read == []
    assert names(out) == ["a.png"]


def test_what_is_taken_from_out_is_not_made_again(watch, passing, out, held, protections):
    path = passing()
    watch()
    (out / "a.png").unlink()
    assert watch() == []
    os.utime(path, (1, 1))
    (result,) = watch()
    assert (result.state, result.output, result.report) == ("skipped", str(out / "a.png"), None)
    assert result.reason == f"done before, as {out / 'a.png'}"
    assert watch() == []
    assert (names(out), names(held), protections) == ([], [], ["a.png"])


def test_what_protect_has_done_is_not_done_again(watch, passing, stubborn, out, protections):
    paths = passing("a.png"), stubborn("b.png")
    protector = loaded(ProtectOptions(encoder=("tiny-gem",), steps=2))
    assert [report.hidden for report in protect_photos(paths, out, protector)] == [True, False]
    skipped, kept = watch()
    assert (skipped.state, skipped.output) == ("skipped", str(out / "a.png"))
    assert (kept.state, protections) == ("held", ["a.png", "b.png", "b.png"])
    passing("a.png", 1)
    assert watch()[0].output == str(out / "a-2.png")


def test_a_held_photo_has_another_chance_with_other_settings(watch, stubborn, out, held, protections):
    stubborn()
    watch()
    assert watch() == []
    (result,) = watch(**MORE)
    assert (result.state, result.output) == ("protected", str(out / "hard.png"))
    assert names(held) == []
    assert watch() == []
    assert protections == ["hard.png"] * 2


def test_a_held_photo_that_is_held_again_keeps_its_name(watch, stubborn, held):
    stubborn()
    (first,) = watch()
    (second,) = watch(budget=4)
    assert (first.state, second.state, first.output, names(held)) == ("held", "held", second.output, ["hard.png"])
    assert finished(Path(second.output))["budget"] == 4


def test_a_held_photo_that_the_owner_changed_stays(watch, stubborn, out, held):
    stubborn()
    watch()
    (held / "hard.png").write_bytes(b"retouched")
    watch(**MORE)
    assert (names(out), names(held)) == (["hard.png"], ["hard.png"])
    assert (held / "hard.png").read_bytes() == b"retouched"


def test_who_must_not_find_it_is_a_setting_too(watch, passing, out, held):
    passing()
    assert watch(how={"passes": "all"})[0].state == "held"
    assert watch()[0].state == "protected"
    assert watch(how={"passes": "all"}) == []  # it was passed on
    assert (names(out), names(held)) == (["a.png"], [])


def test_a_failed_photo_has_another_chance_with_other_settings(watch, photo, scene):
    photo("clear.png", Image.fromarray(scene()).convert("RGBA").point(lambda level: level // 2))
    (failed,) = watch(format="jpeg")
    assert failed.reason == "is partly transparent, which JPEG cannot hold; choose PNG, WebP or TIFF"
    assert watch(format="jpeg") == []
    assert states(watch(format="webp")) == [("clear.png", "protected")]


def test_a_broken_photo_that_is_copied_again_is_not_reported_again(watch, broken):
    watch()
    os.utime(broken, (1, 1))
    (result,) = watch()
    assert result.state == "skipped"
    assert result.reason.startswith("failed before: is damaged")


def test_a_decoder_that_seeks_astray_has_met_a_broken_photo(watch, passing, monkeypatch):
    path = passing()

    def astray(*_):
        raise PhotoError(path, "is damaged") from OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(Protector, "change", astray)
    (failed,) = watch()
    assert (failed.state, failed.reason) == ("failed", "is damaged")
    assert watch() == []


def test_a_photo_that_changes_while_it_is_protected_is_done_again(watch, passing, clock, out, held, monkeypatch):
    path = passing()
    change, data = Protector.change, []

    def meanwhile(self, photo, progress=None):
        if not data:
            passing("a.png", 1)
            data.append(read_photo(path).pixels)
        return change(self, photo, progress)

    monkeypatch.setattr(Protector, "change", meanwhile)
    for once in (True, False):
        (result,) = watch(until=None if once else clock.time + 60)
        assert (read_photo(result.output).pixels - data[0]).abs().max() < 0.04
        assert (names(out), names(held)) == (["a.png"], [])
        for folder in (out, held):
            shutil.rmtree(folder)


def test_a_photo_that_is_taken_away_while_it_is_protected_is_not_passed_on(watch, passing, out, held, monkeypatch):
    path = passing()
    change = Protector.change

    def meanwhile(self, photo, progress=None):
        path.unlink()
        return change(self, photo, progress)

    monkeypatch.setattr(Protector, "change", meanwhile)
    assert watch() == []
    assert (names(out), names(held)) == ([], [])
    assert unjudged(held) == []
