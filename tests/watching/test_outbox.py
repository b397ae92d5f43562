"""The outbox of a watched folder: folders, names, drives that are gone, killed processes, and what is remembered."""

import errno
import json
import os
import runpy
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from recessive.errors import SettingsError
from recessive.options import ProtectOptions
from recessive.watching.journal import Journal
from recessive.watching.outbox import Outbox
from recessive.watching.watch import watch_photos
from recessive.workflows import protect_file
from recessive.workflows.protect import remember
from recessive.workflows.protector import audit

pytestmark = pytest.mark.usefixtures("tiny_encoders")

_watching = runpy.run_path(str(Path(__file__).with_name("conftest.py")))
MORE, loaded, names, states, unjudged = (_watching[name] for name in ("MORE", "loaded", "names", "states", "unjudged"))


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


@pytest.fixture
def killed(watch, monkeypatch):
    """Watches, and is killed where a function is called."""

    def at(target, name):
        def kill(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(target, name, kill)
            with pytest.raises(KeyboardInterrupt):
                watch()

    return at


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


def test_two_watches_do_not_share_their_memory(watch, passing, incoming, out, clock):
    passing()
    protector = loaded(ProtectOptions(encoder=("tiny-gem",), steps=2))
    first = watch_photos(incoming, out, protector, once=True, clock=clock)
    next(first)
    with pytest.raises(SettingsError, match="out-held: another watch uses it"):
        watch()
    first.close()
    assert watch() == []


@pytest.mark.parametrize("state", ["protected", "held"])
def test_what_is_computed_is_not_lost_when_a_folder_is_gone(
    watch, passing, stubborn, out, held, state, clock, protections, complaints, monkeypatch
):
    (passing if state == "protected" else stubborn)("a.png")
    folder = out if state == "protected" else held
    away = folder.with_name("away")

    def then_gone(*arguments, **options):
        report = protect_file(*arguments, **options)
        if not clock.acts:
            folder.rename(away)
            clock.at(60, away.rename, folder)
            clock.at(1000, list)
        return report

    monkeypatch.setattr("recessive.watching.photo.protect_file", then_gone)
    (result,) = watch(until=200)
    assert (result.state, names(folder), protections) == (state, ["a.png"], ["a.png"])
    assert complaints[0].startswith(f"{folder}: ")
    assert complaints[0].endswith("; waiting until the problem is gone")
    assert complaints[-1] == "the problem is gone; continuing"


def test_a_file_in_the_way_of_a_folder_is_waited_for(watch, passing, out, clock, complaints):
    passing("DCIM/a.png")
    out.mkdir()
    (out / "DCIM").touch()
    clock.at(60, (out / "DCIM").unlink)
    assert states(watch(until=200)) == [("a.png", "protected")]
    assert complaints[0] == f"{out / 'DCIM'}: File exists; waiting until the problem is gone"


def test_out_never_holds_a_photo_that_is_not_judged(watch, passing, stubborn, out, monkeypatch):
    passing()
    stubborn()
    seen = []

    def looking(*arguments):
        seen.append(sorted(path.name for path in out.rglob("*")))
        return audit(*arguments)

    monkeypatch.setattr("recessive.workflows.protector.audit", looking)
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


def test_a_photo_that_was_lost_in_the_outbox_is_done_again(watch, killed, passing, out, held, protections):
    passing()

    killed(os, "link")
    (lost,) = unjudged(held)
    lost.write_bytes(b"damaged")
    assert states(watch()) == [("a.png", "protected")]
    assert (names(out), protections) == (["a.png"], ["a.png", "a.png"])


def test_what_a_killed_process_left_in_the_outbox_goes_when_its_photo_has_gone(watch, killed, passing, held):
    path = passing()

    killed(Journal, "add")
    assert len(unjudged(held)) == 1
    path.unlink()
    assert watch() == []
    assert names(held / ".recessive" / "unjudged") == unjudged(held) == []
    assert not list((held / ".recessive" / "unjudged" / ".recessive").iterdir())


def test_a_report_of_another_version_is_no_reason_to_end(watch, killed, passing, out, held):
    passing()

    killed(os, "link")
    remember(unjudged(held)[0], "asked", {"verdict": "of old"})
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


@pytest.fixture
def folders(out, held):
    for folder in (out, held):
        folder.mkdir()
    return out, held


def test_only_one_process_at_a_time_opens_an_outbox(folders):
    with closing(Outbox(*folders)), pytest.raises(SettingsError, match="out-held: another watch uses it"):
        Outbox(*folders)
    Outbox(*folders).close()


def test_a_drive_without_locks_is_taken_as_it_is(folders, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with closing(Outbox(*folders)), closing(Outbox(*folders)):
        pass


def test_a_lock_that_cannot_be_made_is_an_error(folders, held):
    (held / ".recessive" / "lock").mkdir(parents=True)
    with pytest.raises(SettingsError, match="lock cannot be created: "):
        Outbox(*folders)
