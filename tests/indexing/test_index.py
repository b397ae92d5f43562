"""Indexing a folder: what is held, what is kept between runs, and what a killed run leaves."""

import os
import signal
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from recessive import __version__
from recessive.encoders import Vocabulary
from recessive.errors import SettingsError
from recessive.galleries import index_file
from recessive.galleries.index_file import IndexFile, IndexFileError, read_index, write_index
from recessive.indexing import partial
from recessive.indexing.index import index_photos
from recessive.photos import read_photo
from recessive.searchers import SearchEncoder, encoder_settings, load_describer

UNUSUAL = ("æ/日本 😀.png", "new\nline.png", os.fsdecode(b"latin-\xe9.png"), " .png")


def bricks(seed, side=80):
    """Levels (side, side, 3) of bricks in random colours: many corners."""
    colours = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8, 3))
    return np.kron(colours, np.ones((8, 8, 1))).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Twelve photos, some of them in folders."""
    for number in range(12):
        path = tmp_path / "photos" / ("deep/er" if number % 3 == 0 else ".") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(bricks(number)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "photos.index"


@pytest.fixture
def described_names(monkeypatch):
    """The names of photos that are read to be described, as they are."""
    names = []

    def reading(path):
        names.append(path.name)
        return read_photo(path)

    monkeypatch.setattr("recessive.indexing.index.read_photo", reading)
    return names


def counts(report):
    return {name: asdict(report)[name] for name in ("photos", "described", "kept", "dropped", "failed")}


def test_an_index_holds_the_photos_in_the_order_of_their_paths(folder, out):
    progress = []
    report = index_photos(folder, out, "cedd", progress=lambda *done: progress.append(done))
    stored = read_index(out)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
    assert stored.names == tuple(map(str, names))
    describer = load_describer(encoder_settings("cedd"))
    for row, name in enumerate(names):
        described_now = describer.describe(read_photo(folder / name).pixels)
        assert np.array_equal(stored.gallery["descriptors"][row], described_now.numpy())
        status = (folder / name).stat()
        assert stored.stamps[row].tolist() == [status.st_size, status.st_mtime_ns]
    assert progress == [(done, 12) for done in range(13)]
    assert report.bytes == out.stat().st_size
    assert {**asdict(report), "seconds": 0} == {
        "out": str(out),
        "folder": str(folder),
        "encoder": "cedd",
        "digest": describer.digest,
        "photos": 12,
        "described": 12,
        "kept": 0,
        "dropped": 0,
        "failed": 0,
        "without_features": 0,
        "words": None,
        "bytes": report.bytes,
        "seconds": 0,
    }
    made = stored.card.pop("made")
    assert len(made) == len("2026-01-01T00:00:00+00:00")
    assert stored.card == {
        "format": index_file.FORMAT,
        "recessive": __version__,
        "settings": {"encoder": "cedd", "words": None, "vocabulary": None, "scales": None},
        "digest": describer.digest,
        "folder": str(folder),
        "photos": 12,
        "failed": 0,
        "without_features": 0,
    }
    assert sorted(path.name for path in out.parent.iterdir()) == ["photos", "photos.index"]


@pytest.mark.parametrize("encoder", ["bovw", "bovw-he", "bovw-burst"])
def test_words_are_those_of_the_photos_own_vocabulary(folder, out, encoder):
    Image.new("RGB", (64, 64)).save(folder / "black.png")
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    learning = []
    report = index_photos(folder, out, encoder, words=20, learning=lambda *done: learning.append(done))
    stored = read_index(out)
    assert learning == [(done, 14) for done in range(1, 15)]
    assert (report.encoder, report.words, report.without_features) == (f"{encoder} --words 20", 20, 2)
    assert stored.card["without_features"] == 2
    vocabulary = Vocabulary.from_tensors({name: torch.from_numpy(array) for name, array in stored.vocabulary.items()})
    describer = load_describer(encoder_settings(encoder, words=20), vocabulary)
    assert describer.digest == report.digest
    bags = describer.kind.items(stored.gallery)
    for name, bag in zip(stored.names, bags, strict=True):
        words = describer.describe(read_photo(folder / name).pixels).words
        assert sorted(words.tolist()) == sorted(bag.words.tolist())
    assert [len(bag) for bag in bags].count(0) == 2


def test_a_vocabulary_too_large_for_the_photos(folder, out):
    with pytest.raises(SettingsError, match=r"--words 100000: \d+ distinct descriptors do not make 100000 words"):
        index_photos(folder, out, "bovw", words=100_000)
    assert not out.exists()


def test_running_again_describes_only_what_is_new_or_changed(folder, out, described_names):
    index_photos(folder, out, "cedd")
    described_names.clear()
    before = out.read_bytes()
    assert counts(index_photos(folder, out, "cedd")) == {
        "photos": 12,
        "described": 0,
        "kept": 12,
        "dropped": 0,
        "failed": 0,
    }
    assert (described_names, out.read_bytes()) == ([], before)

    Image.fromarray(bricks(100)).save(folder / "01.png")  # another photo, as large as the one before
    os.utime(folder / "01.png", ns=(0, 1))
    Image.fromarray(bricks(101)).save(folder / "00-new.png")
    (folder / "02.png").unlink()
    (folder / "04.png").rename(folder / "moved.png")
    report = index_photos(folder, out, "cedd")
    assert counts(report) == {"photos": 12, "described": 3, "kept": 9, "dropped": 2, "failed": 0}
    assert sorted(described_names) == ["00-new.png", "01.png", "moved.png"]
    index_photos(folder, out.with_name("fresh.index"), "cedd")
    same(read_index(out), read_index(out.with_name("fresh.index")))


def same(one, other):
    """Two indexes hold the same, but for when they were made."""
    assert {**one.card, "made": ""} == {**other.card, "made": ""}
    assert (one.names, one.failed) == (other.names, other.failed)
    assert np.array_equal(one.stamps, other.stamps)
    for mine, theirs in ((one.gallery, other.gallery), (one.vocabulary, other.vocabulary)):
        assert mine.keys() == theirs.keys()
        for name in mine:
            assert np.array_equal(mine[name], theirs[name])


def test_the_photos_own_vocabulary_stays_when_an_index_is_brought_up_to_date(folder, out, described_names):
    index_photos(folder, out, "bovw-he", words=20)
    before = read_index(out)
    described_names.clear()
    Image.fromarray(bricks(100)).save(folder / "new.png")
    report = index_photos(folder, out, "bovw-he", words=20, learning=lambda *_: pytest.fail("learns again"))
    assert (described_names, report.kept) == (["new.png"], 12)
    after = read_index(out)
    assert all(np.array_equal(before.vocabulary[name], after.vocabulary[name]) for name in before.vocabulary)
    assert after.card["digest"] == before.card["digest"]


def test_broken_photos_are_told_of_left_out_and_listed(folder, out, broken):
    broken.rename(folder / "07.jpg")
    complaints = []
    report = index_photos(folder, out, "cedd", on_error=complaints.append)
    assert counts(report) == {"photos": 12, "described": 12, "kept": 0, "dropped": 0, "failed": 1}
    assert [str(complaint).partition(":")[0] for complaint in complaints] == [str(folder / "07.jpg")]
    ((name, said),) = read_index(out).failed
    assert name == "07.jpg"
    assert said.startswith("is damaged")
    assert "07.jpg" not in read_index(out).names
    # It is tried again, and told of again, each time.
    assert (index_photos(folder, out, "cedd", on_error=complaints.append).failed, len(complaints)) == (1, 2)
    (folder / "07.jpg").unlink()
    assert (index_photos(folder, out, "cedd").failed, read_index(out).failed) == (0, ())


def test_photos_that_cannot_be_described_are_left_out_as_well(folder, out, monkeypatch):
    def see(self, photo, box=None):
        if photo.shape[1] == 8:
            raise ValueError("this one has\nno descriptor")
        return self.describe_part(photo, box)

    Image.fromarray(bricks(0, 8)).save(folder / "tiny.png")
    monkeypatch.setattr(SearchEncoder, "describe", see)
    complaints = []
    report = index_photos(folder, out, "cedd", on_error=complaints.append)
    assert (report.photos, report.failed) == (12, 1)
    assert [str(complaint) for complaint in complaints] == [
        f"{folder / 'tiny.png'}: cannot be described: this one has no descriptor"
    ]


def test_one_pixel_and_constant_photos_are_indexed(tmp_path, out):
    folder = tmp_path / "dull"
    folder.mkdir()
    for number, size in enumerate([(1, 1), (1, 50), (50, 1), (60, 60)]):
        Image.new("RGB", size, (200, 100, 50)).save(folder / f"{number}.png")
    for encoder in ("cedd", "gist", "conv-gem", "conv-hash", "gem:conv"):
        assert index_photos(folder, out, encoder, overwrite=True).photos == 4


@pytest.mark.parametrize("encoder", ["conv-gem", "bovw"])
def test_a_folder_of_broken_photos_is_refused(out, broken, encoder):
    words = {"words": 5} if encoder == "bovw" else {}
    with pytest.raises(SettingsError, match=r"holds no photo that can be read|0 distinct descriptors"):
        index_photos(broken.parent, out, encoder, **words)
    assert not out.exists()


def test_a_folder_without_photos_is_refused(tmp_path, out):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").touch()
    with pytest.raises(SettingsError, match="notes: holds no photos; what is indexed is a folder of photos"):
        index_photos(tmp_path / "notes", out, "cedd")
    with pytest.raises(SettingsError, match="nowhere: is not a folder"):
        index_photos(tmp_path / "nowhere", out, "cedd")
    assert not list(tmp_path.glob("*.index"))


def test_unusual_names(tmp_path, out):
    folder = tmp_path / "unusual"
    for number, name in enumerate(UNUSUAL):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(bricks(number)).save(folder / name, format="PNG")
    index_photos(folder, out, "cedd")
    assert set(read_index(out).names) == set(UNUSUAL)
    assert index_photos(folder, out, "cedd").kept == 4


def test_another_encoder_options_or_folder_need_overwrite(folder, out, tmp_path):
    (tmp_path / "others").mkdir()
    Image.fromarray(bricks(50)).save(tmp_path / "others" / "a.png")
    index_photos(folder, out, "gem:conv")
    before = out.read_bytes()
    for arguments, options, said in (
        ((folder, out, "cedd"), {}, r"photos.index was made by gem:conv, not by cedd; use --overwrite, or another"),
        ((folder, out, "gem:conv"), {"scales": (1, 0.5)}, "made by gem:conv, not by gem:conv --scales 1 0.5; use --ov"),
        ((tmp_path / "others", out, "gem:conv"), {}, f"photos.index is an index of {folder}, not of .*others; use --o"),
    ):
        with pytest.raises(SettingsError, match=said):
            index_photos(*arguments, **options)
        assert out.read_bytes() == before
        assert index_photos(*arguments, **options, overwrite=True).described > 0
        out.write_bytes(before)


def test_another_version_of_the_encoder_needs_overwrite(folder, out):
    index_photos(folder, out, "cedd")
    stored = read_index(out)
    write_index(out, IndexFile({**stored.card, "digest": "0" * 64}, stored.names, stored.stamps, stored.gallery))
    with pytest.raises(
        SettingsError, match=r"made by another version of cedd \(digest 000000000000, now [0-9a-f]{12}\)"
    ):
        index_photos(folder, out, "cedd")
    assert index_photos(folder, out, "cedd", overwrite=True).described == 12


@pytest.mark.parametrize("content", [b"", b"my diary, which is not to be lost"])
def test_a_file_that_is_no_index_is_not_replaced_unless_asked(folder, out, content):
    out.write_bytes(content)
    with pytest.raises(SettingsError, match=r"photos.index: is damaged or cut short, or no index.*use --overwrite"):
        index_photos(folder, out, "cedd")
    assert out.read_bytes() == content
    index_photos(folder, out, "cedd", overwrite=True)
    assert len(read_index(out).names) == 12


def test_damaged_arrays_of_the_index_that_is_there(folder, out):
    index_photos(folder, out, "cedd")
    stored = read_index(out)
    for gallery in ({}, {"descriptors": np.zeros((3, 144), np.float32)}):
        write_index(out, IndexFile(stored.card, stored.names, stored.stamps, gallery))
        Image.fromarray(bricks(77)).save(folder / "new.png")
        with pytest.raises(IndexFileError, match="the index is damaged"):
            index_photos(folder, out, "cedd")


def test_an_index_is_neither_a_photo_nor_a_folder(folder, tmp_path):
    with pytest.raises(SettingsError, match=r"--out .*a.jpg is named like a photo; use another name, such as photos.i"):
        index_photos(folder, tmp_path / "a.jpg", "cedd")
    with pytest.raises(SettingsError, match="is a folder; name a file in it"):
        index_photos(folder, folder, "cedd", overwrite=True)
    index_photos(folder, tmp_path / "new" / "folder" / "a.index", "cedd")
    assert (tmp_path / "new" / "folder" / "a.index").is_file()


INTERRUPTED = """
import sys, time
from pathlib import Path
from recessive.indexing import partial
from recessive.indexing.index import index_photos

def progress(done, total):
    if done == 9:
        print("nine", flush=True)
        time.sleep(60)

partial.PART = 4
index_photos(Path(sys.argv[1]), Path(sys.argv[2]), "bovw-he", words=20, progress=progress)
"""


def test_a_killed_run_is_gone_on_with(folder, out, described_names):
    command = [sys.executable, "-c", INTERRUPTED, str(folder), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"nine\n"
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert not out.exists()
    folder_of_parts = out.with_name(".photos.index.partial")
    assert len(list(folder_of_parts.glob("*.part"))) == 2
    learning = lambda *_: pytest.fail("learns again what was learnt")  # noqa: E731
    report = index_photos(folder, out, "bovw-he", words=20, learning=learning)
    assert counts(report) == {"photos": 12, "described": 4, "kept": 8, "dropped": 0, "failed": 0}
    assert len(described_names) == 4
    assert not folder_of_parts.exists()
    index_photos(folder, out.with_name("fresh.index"), "bovw-he", words=20)
    same(read_index(out), read_index(out.with_name("fresh.index")))


@pytest.fixture
def stopped(folder, out, monkeypatch):
    """A run that was interrupted (Ctrl-C) when nine photos were described, and kept four at a time."""
    monkeypatch.setattr(partial, "PART", 4)

    def progress(done, _):
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index_photos(folder, out, "cedd", progress=progress)
    return out.with_name(".photos.index.partial")


def test_an_interrupted_run_keeps_all_that_was_described(stopped, folder, out, described_names):
    assert not out.exists()
    assert len(list(stopped.glob("*.part"))) == 3
    report = index_photos(folder, out, "cedd")
    assert (report.described, report.kept, len(described_names)) == (3, 9, 3)


@pytest.mark.usefixtures("stopped")
def test_photos_that_changed_since_the_interruption_are_described_again(folder, out):
    first = sorted(folder.rglob("*.png"))[0]
    Image.fromarray(bricks(99)).save(first)
    os.utime(first, ns=(0, 1))
    assert index_photos(folder, out, "cedd").kept == 8
    index_photos(folder, out.with_name("fresh.index"), "cedd")
    same(read_index(out), read_index(out.with_name("fresh.index")))


def test_parts_of_something_else_or_damaged_ones_are_not_used(stopped, folder, out):
    damaged, whole, _ = sorted(stopped.glob("*.part"), key=lambda path: path.stat().st_size)[::-1]
    damaged.write_bytes(damaged.read_bytes()[:-5])
    assert index_photos(folder, out.with_name("other.index"), "cedd").kept == 0  # beside another index
    part = read_index(whole)
    write_index(whole.with_name("zz.part"), IndexFile({"digest": "other"}, part.names, part.stamps, {}))
    assert index_photos(folder, out, "cedd").kept == 5


def test_nothing_of_other_peoples_is_removed(stopped, folder, out):
    (stopped / "diary.txt").touch()
    (stopped / ".0123.tmp").touch()
    index_photos(folder, out, "cedd")
    assert [path.name for path in stopped.iterdir()] == ["diary.txt"]


def test_parts_by_another_encoder_are_removed(stopped, folder, out):
    assert index_photos(folder, out, "gist").kept == 0
    assert not stopped.exists()


def test_a_changed_photo_described_before_the_interruption_reaches_the_index_that_is_there(folder, out, monkeypatch):
    index_photos(folder, out, "cedd")
    changed = sorted(folder.rglob("*.png"))[0]
    Image.fromarray(bricks(99)).save(changed)
    os.utime(changed, ns=(0, 1))
    monkeypatch.setattr("recessive.indexing.index.write_index", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(partial, "PART", 1)
    with pytest.raises(KeyboardInterrupt):
        index_photos(folder, out, "cedd")
    monkeypatch.undo()
    assert counts(index_photos(folder, out, "cedd"))["described"] == 0
    index_photos(folder, out.with_name("fresh.index"), "cedd")
    same(read_index(out), read_index(out.with_name("fresh.index")))


def test_a_place_where_nothing_can_be_written_is_an_error(folder, out, monkeypatch):
    (out.with_name(".photos.index.partial")).touch()  # a file in the way of the folder
    monkeypatch.setattr(partial, "PART", 4)
    with pytest.raises(IndexFileError, match=r"photos.index.partial cannot be (read|written)"):
        index_photos(folder, out, "cedd")
