"""What lies in a folder, and what has come to rest there."""

import math
import os
from pathlib import Path

import pytest

from recessive.watching.arrivals import Arrivals, Stamp, list_photos, stamp_of

SMALL, LARGE = Stamp(10, 1), Stamp(20, 2)


def test_photos_are_listed_by_their_suffix_whatever_lies_beside_them(tmp_path):
    names = ["b.png", "A.JPG", "DCIM/100CANON/IMG_0001.jpeg", "d.tif", "e.heic"]
    hidden = [".x.jpg", ".trash/y.jpg", "z.jpg~", "w.jpg.part", "film.MP4", "README"]
    for name in names + hidden:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    found = list_photos(tmp_path)
    assert sorted(found.photos) == sorted(names)
    assert found.photos == {name: stamp_of(tmp_path / name) for name in names}
    assert found.photos["b.png"].size == 5
    assert found.others == {".part", ".mp4", ""}
    assert found.skipped == {}


def test_a_name_that_is_not_utf8_is_a_name(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).touch()
    assert list(list_photos(tmp_path).photos) == [name]


def test_links_to_folders_are_not_followed_and_links_to_files_are(tmp_path):
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere.jpg").write_bytes(b"12345")
    (folder / "round").symlink_to(folder)
    (folder / "deep" / "up").symlink_to("..")
    (folder / "link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    (folder / "nothing.jpg").symlink_to(tmp_path / "nothing")
    (folder / "self.jpg").symlink_to("self.jpg")
    found = list_photos(folder)
    assert found.photos == {"link.jpg": stamp_of(tmp_path / "elsewhere.jpg")}
    assert found.skipped.pop("self.jpg").startswith("cannot be read: ")
    assert found.skipped == dict.fromkeys(("round", "deep/up"), "is a link to a folder, and not followed")


def test_a_folder_that_cannot_be_read_does_not_hide_the_others(tmp_path, monkeypatch):
    for name in ("a.png", "closed/b.png", "gone/c.png", "open/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scandir, troubles = os.scandir, {"closed": (13, "Permission denied"), "gone": (2, "No such file or directory")}

    def some(path):
        if Path(path).name in troubles:
            raise OSError(*troubles[Path(path).name], path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", some)
    found = list_photos(tmp_path)
    assert sorted(found.photos) == ["a.png", "open/d.png"]
    assert found.skipped == {"closed": "cannot be read: Permission denied"}


@pytest.mark.parametrize("name", ["missing", "file"])
def test_the_folder_itself_has_to_be_there(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=name):
        list_photos(tmp_path / name)


def test_a_photo_may_be_taken_when_it_has_not_changed_for_a_while():
    arrivals = Arrivals(settle=2)
    arrivals.update({"a": SMALL}, now=10)
    assert arrivals.ready(10) is arrivals.ready(11.9) is None
    assert arrivals.due() == {"a": 12}
    arrivals.update({"a": LARGE}, now=11)
    assert arrivals.ready(12.9) is None
    arrivals.update({"a": LARGE}, now=12.5)
    assert arrivals.ready(13) == "a"
    assert (arrivals["a"].stamp, arrivals["a"].since) == (LARGE, 11)


def test_the_first_by_name_goes_first_and_what_has_gone_is_forgotten():
    arrivals = Arrivals(settle=0)
    arrivals.update({"b": SMALL, "a": SMALL, "c": SMALL}, now=0)
    assert arrivals.ready(0) == "a"
    arrivals.remove("a")
    assert arrivals.ready(0) == "b"
    arrivals.update({"c": SMALL}, now=1)
    assert (arrivals.ready(1), list(arrivals.due())) == ("c", ["c"])


def test_what_was_taken_in_vain_waits_until_a_time_or_a_change():
    arrivals = Arrivals(settle=0)
    arrivals.update({"a": SMALL, "b": SMALL}, now=0)
    arrivals.postpone("a", 30)
    arrivals.postpone("b", math.inf)
    arrivals.update({"a": SMALL, "b": SMALL}, now=1)
    assert arrivals.ready(29) is None
    assert arrivals.due() == {"a": 30}
    assert arrivals.ready(30) == "a"
    arrivals.update({"a": SMALL, "b": LARGE}, now=2)
    assert arrivals.ready(2) == "b"
