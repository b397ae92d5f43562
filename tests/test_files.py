"""Files and folders: written whole, digested, locked."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recessive.errors import SettingsError
from recessive.files import digest, file_digest, lock_file, make_folder, sync_folder, write_whole


def refuse(number):
    def fail(*_args, **_options):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("data", "content"),
    [(b"", b""), (b"content", b"content"), ([b"in ", memoryview(b"two")], b"in two"), (iter([b"once"]), b"once")],
)
def test_a_file_is_written_from_bytes_or_from_pieces(tmp_path, data, content):
    write_whole(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == content
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_an_existing_file_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "a"
    write_whole(path, b"first", overwrite=False)
    with pytest.raises(FileExistsError) as refused:
        write_whole(path, b"second", overwrite=False)
    assert refused.value.filename == str(path)
    assert path.read_bytes() == b"first"
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"


def test_pieces_that_fail_leave_what_was_there(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"before")

    def pieces():
        yield b"half of it"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_whole(path, pieces())
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_and_not_its_temporary_name(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left") as refused:
        write_whole(tmp_path / "a", b"content")
    assert (refused.value.errno, refused.value.filename) == (errno.ENOSPC, str(tmp_path / "a"))
    assert list(tmp_path.iterdir()) == []


def test_the_names_in_a_folder_are_flushed(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    sync_folder(tmp_path)
    assert flushed == [tmp_path]


def test_systems_that_cannot_flush_a_folder_are_no_error(tmp_path, monkeypatch):
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    sync_folder(tmp_path)
    sync_folder(tmp_path / "missing")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_is_made_with_those_above_it(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"file.x cannot be created: Not a directory; choose another --out"):
        make_folder(tmp_path / "file" / "x")


def test_a_digest_knows_where_its_parts_end():
    assert (
        len({digest(), digest(b""), digest(b"ab", b"c"), digest(b"a", b"bc"), digest(b"abc"), digest(b"abc", b"")}) == 6
    )
    assert digest(b"abc") == hashlib.sha256(b"\0\0\0\0\0\0\0\3abc").hexdigest()


def test_the_digest_of_a_file_is_that_of_its_content(tmp_path):
    names = ("a", "same", "other")
    for name, content in zip(names, (b"a photo", b"a photo", b"another"), strict=True):
        (tmp_path / name).write_bytes(content)
    first, same, other = (file_digest(tmp_path / name) for name in names)
    assert first == same == hashlib.sha256(b"a photo").digest() != other
    assert file_digest(tmp_path) == file_digest(tmp_path / "missing") == file_digest(tmp_path / "a\0b") == b""


LOCK = """
import sys
from recessive.files import lock_file
with open(sys.argv[1], "wb") as file:
    print(lock_file(file.fileno(), wait=sys.argv[2] == "wait"), flush=True)
    sys.stdin.read()
"""


def locking(path, wait):
    command = [sys.executable, "-c", LOCK, str(path), wait]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_one_process_at_a_time_has_the_lock_of_a_file(tmp_path):
    path = tmp_path / "lock"
    with path.open("wb") as file:
        assert lock_file(file.fileno(), wait=False)
        with locking(path, "no") as other:
            assert other.communicate()[0] == "False\n"
        waiting = locking(path, "wait")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.3)
    with waiting:  # the file is closed, so that the other process has the lock
        assert waiting.stdout.readline() == "True\n"
        with path.open("wb") as file:
            assert not lock_file(file.fileno(), wait=False)
        waiting.kill()  # which releases it, too
    with path.open("wb") as file:
        assert lock_file(file.fileno(), wait=True)


def test_drives_and_systems_without_locks_are_no_error(tmp_path, monkeypatch):
    with (tmp_path / "lock").open("wb") as file:
        monkeypatch.setattr("fcntl.flock", refuse(errno.ENOLCK))
        assert lock_file(file.fileno(), wait=False)
        monkeypatch.setattr("recessive.files.fcntl", None)
        assert lock_file(file.fileno(), wait=True)
