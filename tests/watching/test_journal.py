"""What is remembered of a watched folder."""

import json
import os
from dataclasses import replace

import pytest

from recessive.errors import SettingsError
from recessive.watching.journal import Entry, Journal

A = Entry("a.jpg", 10, 1, "aa", "protected", "a.jpg", None, "0")
B = Entry("deep/b.jpg", 20, 2, "bb", "held", "deep/b.jpg", "FOUND", "0")
C = Entry(os.fsdecode(b"caf\xe9.jpg"), 30, 3, "cc", "failed", None, "is damaged", "0")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "watch.jsonl"


def lines(path):
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def written(path, *entries):
    journal = Journal(path)
    for entry in entries:
        journal.add(entry)
    return journal


def test_entries_are_there_again_after_a_restart(path):
    before = written(path, A, B, C)
    after = Journal(path)
    for journal in (before, after):
        assert list(journal) == [A, B, C]
        assert [journal.last(entry.input) for entry in (A, B, C)] == [A, B, C]
        assert (journal.find("a.jpg", "aa"), journal.find("a.jpg", "bb"), journal.last("b.jpg")) == (A, None, None)
    assert A.stamp == (10, 1)


def test_each_content_of_a_file_has_its_entry_and_the_file_its_last(path):
    newer, again = replace(A, digest="a2", output="a-2.jpg"), replace(A, modified=9)
    written(path, A, newer)
    assert Journal(path).last("a.jpg") == newer
    written(path, again)
    journal = Journal(path)
    assert journal.last("a.jpg") == again
    assert (journal.find("a.jpg", "a2"), journal.find("a.jpg", "aa")) == (newer, again)


def test_names_stay_taken_in_whatever_case_except_for_those_that_have_them(path):
    journal = written(path, A)
    assert journal.taken("protected", "A.JPG", ("a.jpg", "a2"))
    assert not journal.taken("protected", "a.jpg", ("a.jpg", "aa"))
    assert not journal.taken("held", "a.jpg", ("a.jpg", "a2"))
    assert not journal.taken("protected", "b.jpg", ("a.jpg", "a2"))


@pytest.mark.parametrize("cut", [1, 30])
def test_a_line_that_was_cut_short_is_left_out_and_those_after_it_are_whole(path, cut):
    written(path, A, B)
    path.write_bytes(path.read_bytes()[:-cut])
    journal = Journal(path)
    assert list(journal) == ([A, B] if cut == 1 else [A])
    journal.add(C)
    assert list(Journal(path)) == list(journal)
    assert Journal(path).last(C.input) == C


@pytest.mark.parametrize("line", ["", "{", "[]", "3", "{}", '{"input": "a"}', '"\xff'])
def test_what_is_no_entry_counts_as_none(path, line):
    written(path, A)
    with path.open("a", encoding="latin-1") as file:
        file.write(f"{line}\n")
    assert list(Journal(path)) == [A]


def test_a_line_that_could_not_be_written_does_not_spoil_the_next(path, monkeypatch):
    journal = written(path, A)

    def full(descriptor):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size - 20)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            journal.add(B)
    assert list(journal) == [A]
    journal.add(C)
    assert list(Journal(path)) == [A, C]
    assert len(lines(path)) == 2


def test_a_line_is_on_the_disk_when_it_is_added(path, monkeypatch):
    synced = []
    journal = written(path, A)
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(len(lines(path))))
    journal.add(B)
    assert synced == [2]


def test_a_file_that_was_removed_is_written_anew(path):
    journal = written(path, A, B)
    path.unlink()
    journal.add(C)
    assert list(Journal(path)) == [A, B, C]


def test_lines_that_others_replaced_go_when_they_are_many(path):
    written(path, *(replace(A, modified=time) for time in range(10)), B)
    assert len(lines(path)) == 11
    written(path, C)
    assert len(lines(path)) == 3


def test_a_journal_that_cannot_be_read_is_an_error(path):
    path.mkdir()
    with pytest.raises(SettingsError, match=r"watch\.jsonl cannot be read: "):
        Journal(path)
