"""A watched folder: what arrives, when it is taken, and what stands in the way."""

import errno
import os
import runpy
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from recessive.errors import SettingsError
from recessive.watching.arrivals import list_photos
from recessive.workflows import Protector

pytestmark = pytest.mark.usefixtures("tiny_encoders")

_watching = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
names, states = (_watching["names"], _watching["states"])


def test_a_photo_that_is_still_being_written_is_waited_for(watch, passing, incoming, out, clock):
    data = passing("../whole.png").read_bytes()
    path = incoming / "a.png"
    for second in range(1, 9):
        clock.at(second, path.write_bytes, data[: len(data) * second // 8])
    done = []
    assert watch(until=9.5) == done
    (result,) = watch(until=14)
    assert (result.state, names(out)) == ("protected", ["a.png"])


def test_a_writer_may_pause(watch, passing, incoming, clock, out, complaints):
    data = passing("../whole.png").read_bytes()
    path = incoming / "a.png"
    path.write_bytes(data[:100])
    clock.at(15, path.write_bytes, data)
    (result,) = watch(until=60)
    assert (result.state, names(out), complaints) == ("protected", ["a.png"], [])


def test_a_single_run_waits_for_what_is_being_written(watch, passing, incoming, clock, out):
    data = passing("../whole.png").read_bytes()
    path = incoming / "a.png"
    for second in range(10):
        clock.at(second, path.write_bytes, data[: len(data) * second // 9])
    path.touch()
    (result,) = watch()
    assert (result.state, names(out)) == ("protected", ["a.png"])
    assert 11 <= clock.time < 14


def test_a_single_run_does_not_wait_for_ever_nor_for_what_comes_later(watch, passing, incoming, clock, out, complaints):
    endless = incoming / "endless.png"
    endless.touch()
    for second in range(600):
        clock.at(second, endless.write_bytes, b"." * second)
    passing()
    clock.at(1, passing, "late.png", 1)
    assert states(watch()) == [("a.png", "protected")]
    assert complaints == [f"{endless}: is still being written; left for the next run"]
    assert 60 <= clock.time < 70
    assert names(out) == ["a.png"]


def test_a_photo_that_stays_broken_is_reported_once(watch, broken, passing, clock, complaints):
    passing()
    good, bad = watch(until=120)
    assert (good.state, bad.state, bad.input) == ("protected", "failed", str(broken))
    assert bad.reason.startswith("is damaged or cut short")
    assert (bad.output, bad.report) == (None, None)
    assert watch(until=240) == []
    clock.at(250, passing, broken.name)
    assert states(watch(until=300)) == [(broken.name, "protected")]
    assert complaints == []


def test_a_broken_photo_is_given_time(watch, broken, clock):
    assert watch(until=19) == []
    assert states(watch()) == [(broken.name, "failed")]
    assert clock.time == pytest.approx(40, abs=2)


def test_temporary_names_are_left_alone_until_they_have_their_last_one(watch, passing, incoming, clock, complaints):
    whole = passing("../whole.png")
    for name in (".a.png", "a.png.part", "a.png.crdownload", "a.png.tmp", "a.png~"):
        shutil.copy(whole, incoming / name)
    clock.at(10, (incoming / "a.png.part").rename, incoming / "a.png")
    assert watch(until=9) == []
    assert states(watch(until=20)) == [("a.png", "protected")]
    assert complaints == []


def test_other_files_are_mentioned_once_by_their_suffix(watch, incoming, clock, complaints):
    for name in ("film.mp4", "b.MP4", "Makefile"):
        (incoming / name).touch()
    clock.at(5, (incoming / "notes.txt").touch)
    assert watch(until=20) == []
    assert complaints == [
        f"{incoming}: files named without a suffix or .mp4 are ignored; photos are recognized by their suffix",
        f"{incoming}: files named .txt are ignored; photos are recognized by their suffix",
    ]


@pytest.mark.parametrize("settle", [-1, float("nan"), float("inf")])
def test_settling_takes_a_while(watch, settle):
    with pytest.raises(SettingsError, match="--settle must be a number of seconds, 0 or more"):
        watch(how={"settle": settle})


def test_a_card_may_go_and_come_back(watch, passing, incoming, clock, out, complaints, protections):
    passing()
    away = incoming.with_name("away")
    clock.at(10, incoming.rename, away)
    clock.at(20, away.rename, incoming)
    clock.at(25, passing, "b.png", 1)
    assert states(watch(until=40)) == [("a.png", "protected"), ("b.png", "protected")]
    assert complaints == [
        f"{incoming}: No such file or directory; waiting until it is there",
        f"{incoming} is there again",
    ]
    assert protections == names(out) == ["a.png", "b.png"]


def test_a_card_that_goes_while_it_is_read_is_no_failure_of_its_photos(watch, passing, incoming, clock, monkeypatch):
    passing()
    away, change = incoming.with_name("away"), Protector.change

    def gone(*_):
        incoming.rename(away)
        monkeypatch.setattr(Protector, "change", change)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Protector, "change", gone)
    clock.at(10, away.rename, incoming)
    assert states(watch(until=30)) == [("a.png", "protected")]


def test_a_single_run_ends_when_the_folder_is_gone(watch, passing, incoming, clock):
    passing("a.png")
    clock.at(1, shutil.rmtree, incoming)
    (result,) = watch()
    assert (result.input, result.state, result.reason) == (str(incoming), "failed", "No such file or directory")


def test_folders_that_cannot_be_read_get_one_line(watch, passing, incoming, complaints, monkeypatch):
    passing()
    (incoming / "closed").mkdir()
    (incoming / "round").symlink_to(incoming)
    scandir = os.scandir

    def some(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", some)
    assert states(watch(until=20)) == [("a.png", "protected")]
    assert sorted(complaints) == [
        f"{incoming / 'closed'}: cannot be read: Permission denied",
        f"{incoming / 'round'}: is a link to a folder, and not followed",
    ]


@pytest.fixture
def full(monkeypatch, clock):
    """A disk that is full until a time."""
    fsync = os.fsync

    def run(until=float("inf")):
        def filled(descriptor):
            if clock.time < until:
                raise OSError(errno.ENOSPC, "No space left on device")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", filled)

    return run


def test_a_full_disk_is_waited_for(watch, passing, full, out, held, complaints):
    passing()
    full(until=100)
    assert states(watch(until=300)) == [("a.png", "protected")]
    assert complaints == [
        f"{held}: cannot be written: No space left on device; waiting until the problem is gone",
        "the problem is gone; continuing",
    ]
    assert names(out) == ["a.png"]


def test_a_single_run_ends_on_a_full_disk_and_the_next_goes_on(watch, passing, full, held, clock):
    passing("a.png")
    passing("b.png", 1)
    full(until=100)
    (result,) = watch()
    assert (Path(result.input).name, result.state) == ("a.png", "failed")
    assert result.reason == f"{held}: cannot be written: No space left on device"
    clock.time = 100
    assert states(watch()) == [("a.png", "protected"), ("b.png", "protected")]


def test_looking_takes_a_fifth_of_the_time_at_most(watch, clock, monkeypatch):
    looks = []

    def slow(folder):
        looks.append(clock.time)
        clock.time += 3
        return list_photos(folder)

    monkeypatch.setattr("recessive.watching.watch.list_photos", slow)
    watch(until=60)
    assert looks == [0, 15, 30, 45]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("not enough memory")])
def test_what_may_pass_is_tried_again_and_told_once(watch, passing, clock, monkeypatch, error):
    passing()
    change, tried = Protector.change, []

    def short(self, photo, progress=None):
        tried.append(clock.time)
        if len(tried) < 4:
            raise error
        return change(self, photo, progress)

    monkeypatch.setattr(Protector, "change", short)
    failed, done = watch(until=120)
    assert (failed.state, failed.reason) == ("failed", "cannot be protected: not enough memory")
    assert done.state == "protected"
    waits = [after - before for before, after in pairwise(tried)]
    assert waits == pytest.approx([5, 10, 20])


def test_what_may_pass_is_left_for_the_next_run(watch, passing, monkeypatch):
    passing()
    with monkeypatch.context() as patch:

        def unreadable(*_, **__):
            raise OSError(errno.EIO, "Input/output error")

        patch.setattr(Protector, "change", unreadable)
        (failed,) = watch()
    assert (failed.state, failed.reason) == ("failed", "cannot be protected: [Errno 5] Input/output error")
    assert states(watch()) == [("a.png", "protected")]


def test_it_stops_in_the_middle_of_a_photo_and_does_that_the_next_time(watch, passing, out, held):
    passing()
    asked, seen = [], []
    how = {"progress": lambda waiting, path, share: (seen.append((waiting, path, share)), asked.append(share > 0.3))}
    assert watch(how={**how, "stop": lambda: any(asked), "once": False}, steps=10) == []
    assert 0.3 < seen[-1][2] < 0.6
    assert (names(out), names(held)) == ([], [])
    assert states(watch()) == [("a.png", "protected")]


def test_progress_says_what_waits_and_what_is_under_way(watch, passing, incoming):
    for seed, name in enumerate(("a.png", "b.png", "c.png")):
        passing(name, seed)
    seen = []
    watch(how={"progress": lambda *told: seen.append(told)})
    assert seen[0] == (3, None, 0.0)
    under_way = {(waiting, path) for waiting, path, _ in seen if path is not None}
    assert under_way == {(2, incoming / "a.png"), (1, incoming / "b.png"), (0, incoming / "c.png")}


def test_new_arrivals_are_seen_between_photos(watch, passing, clock, monkeypatch):
    passing("b.png")
    passing("c.png", 1)
    change = Protector.change

    def slow(self, photo, progress=None):
        if photo.path.name == "b.png":
            passing("a.png", 2)
        clock.time += 10
        return change(self, photo, progress)

    monkeypatch.setattr(Protector, "change", slow)
    assert [name for name, _ in states(watch(until=50))] == ["b.png", "c.png", "a.png"]
