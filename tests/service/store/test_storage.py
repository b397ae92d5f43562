"""The folder of the service belongs to its database, and each claim of a job to one folder."""

import stat

import pytest

from recessive.service.store.database import Database
from recessive.service.store.reading import JobReader
from recessive.service.store.storage import Storage, StorageError


def files(storage):
    return sorted(str(path.relative_to(storage.folder)) for path in storage.folder.glob("*/**/*") if path.is_file())


def test_its_folders_are_for_this_user_alone(storage):
    storage.open()  # a second time changes nothing
    for folder in (storage.folder, storage.originals, storage.results, storage.incoming):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.is_absolute()
    assert files(storage) == []


def test_a_folder_that_cannot_be_used_is_an_error_that_says_so(tmp_path):
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StorageError, match=r"taken: cannot be written to .*--folder"):
        Storage(tmp_path / "taken").open()


def test_a_server_marks_a_new_folder_and_workers_find_it_marked(storage, database):
    with pytest.raises(StorageError, match="mount the service's folder"):
        storage.check_same(database, new=False)
    storage.check_same(database)
    storage.check_same(database)
    storage.check_same(database, new=False)


def test_the_folder_of_another_database_is_refused(storage, database, tmp_path):
    with Database(f"sqlite:///{tmp_path / 'other.sqlite3'}") as other:
        other.migrate()
        storage.check_same(other)
    for new in (True, False):
        with pytest.raises(StorageError, match="is not the folder of this database's service"):
            storage.check_same(database, new=new)


def test_a_database_with_jobs_takes_no_empty_folder_for_its_own(storage, queue, database, new_job):
    queue.add(new_job(), None)
    with pytest.raises(StorageError, match="contains none of the photos"):
        storage.check_same(database)


@pytest.mark.parametrize("place", ["originals", "results"])
def test_a_folder_with_photos_is_not_given_to_a_new_database(storage, database, place):
    (storage.folder / place / "someone.jpg").write_bytes(b"photo")
    with pytest.raises(StorageError, match="is not the folder of this database's service"):
        storage.check_same(database)


def test_each_claim_has_an_empty_folder_of_its_own(storage):
    first = storage.result_folder("job", "a" * 32)
    (first / "half").write_bytes(b"")
    second = storage.result_folder("job", "b" * 32)
    assert first != second
    assert list(first.iterdir()) == [first / "half"]
    assert first.parent == second.parent == storage.results
    assert list(storage.result_folder("job", "a" * 32).iterdir()) == []
    storage.discard("job", "a" * 32)
    storage.discard("job", "a" * 32)  # gone already
    assert list(storage.results.iterdir()) == [second]


def test_a_claim_s_folder_that_cannot_be_made_is_an_error(storage):
    storage.results.rmdir()
    with pytest.raises(StorageError, match="results: cannot be written to"):
        storage.result_folder("job", "a" * 32)


def test_removing_a_job_removes_its_files_and_no_others(storage, queue, new_job, fill):
    first, _ = queue.add(new_job(id="a", original="a.jpg"), None)
    for other in ("ab", "a-b", "b"):
        fill(queue.add(new_job(id=other, original=f"{other}.jpg"), None)[0], "c" * 32)
    before = files(storage)
    fill(first, "1" * 32, "2" * 32)
    storage.remove(first)
    storage.remove(first)
    assert files(storage) == before


def test_two_servers_may_start_at_once(tmp_path, database, monkeypatch):
    one, other = Storage(tmp_path / "service"), Storage(tmp_path / "service")
    one.open()
    counts = JobReader.counts

    def meanwhile(self):
        monkeypatch.setattr(JobReader, "counts", counts)
        other.check_same(database)
        return counts(self)

    monkeypatch.setattr(JobReader, "counts", meanwhile)
    one.check_same(database)
    other.check_same(database, new=False)
