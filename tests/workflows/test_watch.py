"""A watched folder: what arrives, what passes, what is held, and what is remembered."""

import errno
import json
import os
import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from recessive.photos import PhotoError, read_photo
from recessive.workflows import Protector, ProtectSettings, SettingsError, protect_photos, records, watched_photo
from recessive.workflows.arrivals import list_photos
from recessive.workflows.records import finished
from recessive.workflows.watch import watch_photos
from recessive.workflows.watch_journal import Journal

pytestmark = pytest.mark.usefixtures("tiny_encoders")

MORE = {"steps": 6, "budget": 16}  # what hides photos of strong contrast, too


@cache
def loaded(settings):
    return Protector(settings)


class Scripted:
    """A clock that only goes when somebody waits, and does things at their time."""

    def __init__(self):
        self.time = 0.0
        self.acts = []

    def at(self, time, act, *arguments):
        self.acts.append((time, act, arguments))
        self.acts.sort(key=lambda act: act[0])

    def now(self):
        return self.time

    def wait(self, seconds, stop):  # noqa: ARG002
        until = self.time + seconds
        while self.acts and self.acts[0][0] <= until:
            time, act, arguments = self.acts.pop(0)
            self.time = max(self.time, time)
            act(*arguments)
        self.time = until


@pytest.fixture
def clock():
    return Scripted()


@pytest.fixture
def incoming(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def held(tmp_path):
    return tmp_path / "out-held"


@pytest.fixture
def complaints():
    return []


@pytest.fixture
def watch(incoming, out, clock, complaints):
    """Watches `in` once, or until a time: what became of the photos."""

    def run(until=None, *, folder=incoming, out=out, how=None, **settings):
        protector = loaded(ProtectSettings(**{"encoders": ("tiny-gem",), "steps": 2, **settings}))
        how = {"once": until is None, "stop": lambda: until is not None and clock.time >= until, **(how or {})}
        return list(watch_photos(folder, out, protector, clock=clock, complain=complaints.append, **how))

    return run


@pytest.fixture
def passing(photo, scene):
    """Makes a photo that passes."""
    return lambda name="a.png", seed=0, **options: photo(name, scene(seed=seed), **options)


@pytest.fixture
def stubborn(photo, texture):
    """Makes a photo that is found whatever two steps do."""
    return lambda name="hard.png", seed=0, **options: photo(name, texture(seed=seed), **options)


def names(folder):
    """All that lies below a folder, but for what a watch remembers."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(path) for path in found if ".recessive" not in path.parts)


def unjudged(held):
    """What lies behind the gate, but for reports."""
    return sorted((held / ".recessive" / "unjudged").glob("*.*g"))


def states(results):
    return [(Path(result.input).name, result.state) for result in results]


@pytest.fixture
def protections(monkeypatch):
    """The photos whose change was computed."""
    done, change = [], Protector.change

    def counted(self, photo, progress=None):
        done.append(photo.path.name)
        return change(self, photo, progress)

    monkeypatch.setattr(Protector, "change", counted)
    return done


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
    monkeypatch.setattr(watched_photo, "content", read.append)
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


def test_a_broken_photo_that_is_copied_again_is_not_reported_again(watch, broken):
    watch()
    os.utime(broken, (1, 1))
    (result,) = watch()
    assert result.state == "skipped"
    assert result.reason.startswith("failed before: is damaged")


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
        f"{incoming}: files named without a suffix or .mp4 are left alone; photos are told by their suffix",
        f"{incoming}: files named .txt are left alone; photos are told by their suffix",
    ]


def test_new_content_under_an_old_name_gets_a_free_one(watch, passing, out):
    for seed in range(3):
        passing("IMG_0001.jpg", seed)
        (result,) = watch()
        if seed == 0:
            (out / "IMG_0001.jpg").rename(out.parent / "collected.jpg")  # whoever has it would not want it replaced
    assert names(out) == ["IMG_0001-2.jpg", "IMG_0001-3.jpg"]
    assert result.output == str(out / "IMG_0001-3.jpg")
    passing("IMG_0001.jpg", 1)
    (result,) = watch()
    assert (result.state, result.output) == ("skipped", str(out / "IMG_0001-2.jpg"))


def test_photos_that_would_share_a_name_do_not(watch, passing, out):
    passing("a.png")
    passing("A.PNG", 1)
    passing("a.webp", 2, lossless=True)
    watch(format="jpeg")
    assert names(out) == ["A.jpg", "a-2.jpg", "a-3.jpg"]


def test_what_protect_has_done_is_not_done_again(watch, passing, stubborn, out, protections):
    paths = passing("a.png"), stubborn("b.png")
    protector = loaded(ProtectSettings(encoders=("tiny-gem",), steps=2))
    assert [report.hidden for report in protect_photos(paths, out, protector)] == [True, False]
    skipped, kept = watch()
    assert (skipped.state, skipped.output) == ("skipped", str(out / "a.png"))
    assert (kept.state, protections) == ("held", ["a.png", "b.png", "b.png"])
    passing("a.png", 1)
    assert watch()[0].output == str(out / "a-2.png")


def test_files_that_others_put_into_out_stay(watch, passing, out):
    out.mkdir()
    (out / "a.png").write_bytes(b"another's")
    passing()
    watch()
    assert names(out) == ["a-2.png", "a.png"]
    assert (out / "a.png").read_bytes() == b"another's"


def test_a_name_that_is_taken_at_the_last_moment_stays_with_who_took_it(watch, passing, out, monkeypatch):
    link = os.link

    def taken(source, target):
        monkeypatch.setattr(os, "link", link)
        Path(target).write_bytes(b"another's")
        link(source, target)

    passing()
    monkeypatch.setattr(os, "link", taken)
    (result,) = watch()
    assert (result.state, result.output) == ("protected", str(out / "a-2.png"))
    assert (out / "a.png").read_bytes() == b"another's"
    passing("a.png", 1)
    assert watch()[0].output == str(out / "a-3.png")


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
    with pytest.raises(SettingsError, match=r" lies in .*; photos arrive, pass and are held in folders that lie apart"):
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
    with pytest.raises(SettingsError, match="nowhere: is not a folder; photos are to arrive there"):
        watch(folder=tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for wrong in ({"out": tmp_path / "file"}, {"how": {"held": tmp_path / "file"}}):
        with pytest.raises(SettingsError, match="file cannot be made: File exists; choose another folder"):
            watch(**wrong)
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / ".recessive").touch()
    with pytest.raises(SettingsError, match=r"\.recessive cannot be made: File exists; choose another --held"):
        watch(how={"held": tmp_path / "held"})


@pytest.mark.parametrize("settle", [-1, float("nan"), float("inf")])
def test_settling_takes_a_while(watch, settle):
    with pytest.raises(SettingsError, match="--settle: seconds, 0 or more"):
        watch(how={"settle": settle})


def test_two_watches_do_not_share_their_memory(watch, passing, incoming, out, clock):
    passing()
    protector = loaded(ProtectSettings(encoders=("tiny-gem",), steps=2))
    first = watch_photos(incoming, out, protector, once=True, clock=clock)
    next(first)
    with pytest.raises(SettingsError, match="out-held: another watch uses it"):
        watch()
    first.close()
    assert watch() == []


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
        if path.name == "closed":
            raise PermissionError(13, "Permission denied")
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
        f"{held}: cannot be written: No space left on device; waiting until that is better",
        "that is better; going on",
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


@pytest.mark.parametrize("state", ["protected", "held"])
def test_what_is_computed_is_not_lost_when_a_folder_is_gone(
    watch, passing, stubborn, out, held, state, clock, protections, complaints, monkeypatch
):
    (passing if state == "protected" else stubborn)("a.png")
    folder, protect = out if state == "protected" else held, Protector.protect
    away = folder.with_name("away")

    def then_gone(self, *arguments, **options):
        report = protect(self, *arguments, **options)
        if not clock.acts:
            folder.rename(away)
            clock.at(60, away.rename, folder)
            clock.at(1000, list)
        return report

    monkeypatch.setattr(Protector, "protect", then_gone)
    (result,) = watch(until=200)
    assert (result.state, names(folder), protections) == (state, ["a.png"], ["a.png"])
    assert complaints[0].startswith(f"{folder}: ")
    assert complaints[0].endswith("; waiting until that is better")
    assert complaints[-1] == "that is better; going on"


def test_a_file_in_the_way_of_a_folder_is_waited_for(watch, passing, out, clock, complaints):
    passing("DCIM/a.png")
    out.mkdir()
    (out / "DCIM").touch()
    clock.at(60, (out / "DCIM").unlink)
    assert states(watch(until=200)) == [("a.png", "protected")]
    assert complaints[0] == f"{out / 'DCIM'}: File exists; waiting until that is better"


def test_looking_takes_a_fifth_of_the_time_at_most(watch, clock, monkeypatch):
    looks = []

    def slow(folder):
        looks.append(clock.time)
        clock.time += 3
        return list_photos(folder)

    monkeypatch.setattr("recessive.workflows.watch.list_photos", slow)
    watch(until=60)
    assert looks == [0, 15, 30, 45]


def test_a_name_that_the_drive_cannot_have_is_a_failure_of_that_photo(watch, passing, out, held, monkeypatch):
    passing("10:20:30.png")
    passing("a.png", 1)
    link = os.link

    def fat(source, target):
        if ":" in Path(target).name:
            raise OSError(errno.EILSEQ, "Invalid or incomplete multibyte or wide character")
        link(source, target)

    monkeypatch.setattr(os, "link", fat)
    failed, other = watch()
    assert (failed.state, other.state) == ("failed", "protected")
    assert failed.reason.startswith(f"cannot be saved as {out / '10:20:30.png'}: Invalid")
    assert watch() == []
    assert unjudged(held) == []


def test_what_may_pass_is_tried_again_and_told_once(watch, passing, clock, monkeypatch):
    passing()
    change, tried = Protector.change, []

    def short(self, photo, progress=None):
        tried.append(clock.time)
        if len(tried) < 4:
            raise MemoryError
        return change(self, photo, progress)

    monkeypatch.setattr(Protector, "change", short)
    failed, done = watch(until=120)
    assert (failed.state, failed.reason) == ("failed", "cannot be protected: not enough memory")
    assert done.state == "protected"
    waits = [after - before for before, after in pairwise(tried)]
    assert waits == pytest.approx([5, 10, 20])


def test_a_decoder_that_seeks_astray_has_met_a_broken_photo(watch, passing, monkeypatch):
    path = passing()

    def astray(*_):
        raise PhotoError(path, "is damaged") from OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(Protector, "change", astray)
    (failed,) = watch()
    assert (failed.state, failed.reason) == ("failed", "is damaged")
    assert watch() == []


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


def test_out_never_holds_a_photo_that_is_not_judged(watch, passing, stubborn, out, monkeypatch):
    passing()
    stubborn()
    judge, seen = Protector._judge, []

    def looking(self, *arguments):
        seen.append(sorted(path.name for path in out.rglob("*")))
        return judge(self, *arguments)

    monkeypatch.setattr(Protector, "_judge", looking)
    watch()
    assert seen == [[], ["a.png"]]
    assert sorted(path.name for path in out.rglob("*")) == ["a.png"]


@pytest.fixture
def snapshots(out, held, tmp_path, monkeypatch):
    """The folders as a process would leave them that is killed before any of its changes to files, and after all."""

    def of(run):
        taken = []

        def keep():
            taken.append(tmp_path / "snapshots" / str(len(taken)))
            for folder in (out, held):
                shutil.copytree(folder, taken[-1] / folder.name)

        def after_a_snapshot(call):
            def changed(*arguments, **options):
                keep()
                return call(*arguments, **options)

            return changed

        with monkeypatch.context() as patch:
            for name in ("link", "unlink", "replace", "fsync"):
                patch.setattr(os, name, after_a_snapshot(getattr(os, name)))
            run()
        keep()
        return taken

    def restored(run):
        for snapshot in of(run):
            for folder in (out, held):
                shutil.rmtree(folder)
                shutil.copytree(snapshot / folder.name, folder)
            yield snapshot

    return restored


def contents(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def test_wherever_it_is_killed_each_photo_is_done_once(watch, passing, stubborn, out, held, snapshots):
    passing()
    stubborn()
    passed, kept, twice, count = None, None, 0, 0
    for count, _ in enumerate(snapshots(watch), 1):
        fetched = count % 2 == 0 and (out / "a.png").exists()
        if fetched:
            (out / "a.png").unlink()  # whoever sends it on has it by now
        results = watch()
        assert len(results) <= 2
        again = fetched and (out / "a.png").exists()
        twice += again
        passed, kept = passed or contents(out), kept or contents(held)
        assert (list(passed), list(kept)) == (["a.png"], ["hard.png"])
        assert contents(out) == ({} if fetched and not again else passed)
        assert contents(held) == kept
        assert unjudged(held) == []
        lines = (held / ".recessive" / "watch.jsonl").read_text().splitlines()
        assert [json.loads(line)["state"] for line in lines] == ["protected", "held"]
        assert watch() == []
    assert count > 20
    assert twice <= 1  # killed between giving it its name there and removing it here


def test_wherever_it_is_killed_a_held_photo_gets_its_other_chance(watch, stubborn, out, held, snapshots):
    stubborn()
    watch()
    for _ in snapshots(lambda: watch(**MORE)):
        assert {result.state for result in watch(**MORE)} <= {"protected"}
        assert (names(out), names(held), unjudged(held)) == (["hard.png"], [], [])


def test_a_photo_that_was_lost_behind_the_gate_is_done_again(watch, passing, out, held, monkeypatch, protections):
    passing()

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", killed)
        with pytest.raises(KeyboardInterrupt):
            watch()
    (lost,) = unjudged(held)
    lost.write_bytes(b"damaged")
    assert states(watch()) == [("a.png", "protected")]
    assert (names(out), protections) == (["a.png"], ["a.png", "a.png"])


def test_what_a_killed_process_left_behind_the_gate_goes_when_its_photo_has_gone(watch, passing, held, monkeypatch):
    path = passing()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            watch()
    assert len(unjudged(held)) == 1
    path.unlink()
    assert watch() == []
    assert names(held / ".recessive" / "unjudged") == unjudged(held) == []
    assert not list((held / ".recessive" / "unjudged" / ".recessive").iterdir())


def test_a_report_of_another_version_is_no_reason_to_end(watch, passing, out, held, monkeypatch):
    passing()

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", killed)
        with pytest.raises(KeyboardInterrupt):
            watch()
    records.remember(unjudged(held)[0], "asked", {"verdict": "of old"})
    assert states(watch()) == [("a.png", "protected")]
    assert names(out) == ["a.png"]


def test_when_the_memory_is_deleted_all_is_new(watch, passing, out, held):
    passing()
    watch()
    shutil.rmtree(held / ".recessive")
    (result,) = watch()
    assert (result.state, names(out)) == ("protected", ["a-2.png", "a.png"])


def test_the_memory_may_be_deleted_under_a_watch(watch, passing, held, clock, out):
    passing("a.png")
    clock.at(10, shutil.rmtree, held / ".recessive")
    clock.at(11, passing, "b.png", 1)
    assert states(watch(until=30)) == [("a.png", "protected"), ("b.png", "protected")]
    assert watch() == []
    assert names(out) == ["a.png", "b.png"]
