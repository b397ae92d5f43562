import os
import stat
import threading
import time

import pytest

from recessive.service.store.database import Database
from recessive.service.store.job import JobState
from recessive.service.store.reading import JobReader
from recessive.service.store.storage import Storage, StorageError
from recessive.service.work.cleaning import CleaningRunner

AN_HOUR = 3_600


@pytest.fixture
def storage(tmp_path):
    opened = Storage(tmp_path / "service")
    opened.open()
    return opened


@pytest.fixture
def fill(storage):
    """Lays down a job's original, and its results of the claims with these tokens."""

    def make(job, *tokens, original=True):
        if original:
            storage.original(job).write_bytes(b"original")
        for token in tokens:
            (storage.result_folder(job.id, token) / "photo.jpg").write_bytes(b"protected")

    return make


def files(storage):
    return sorted(str(path.relative_to(storage.folder)) for path in storage.folder.glob("*/**/*") if path.is_file())


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def ended(queue, claim, state):
    if state == JobState.DONE:
        result = f"{claim.job.id}-{claim.token[:16]}/photo.jpg"
        queue.claims.finish(claim, report={}, insight=None, result=result, sheet=None, expires=time.time() + AN_HOUR)
    elif state == JobState.FAILED:
        queue.claims.fail(claim, "no", expires=time.time() + AN_HOUR)
    elif state == JobState.CANCELLED:
        queue.inbox.cancel(claim.job.id, claim.job.owner)
    elif state == JobState.WAITING:
        queue.claims.release(claim)


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


@pytest.mark.parametrize("state", JobState)
def test_sweeping_keeps_what_a_job_needs_and_nothing_else(storage, queue, new_job, fill, state):
    queue.add(new_job(), None)
    claim = queue.claims.claim("worker")
    fill(claim.job, "f" * 32, claim.token)  # a claim that was lost, and this one
    ended(queue, claim, state)
    mine = f"results/{claim.job.id}-{claim.token[:16]}/photo.jpg"
    original = f"originals/{claim.job.original}"
    queue.cleaner.sweep(storage)
    left = {
        JobState.WAITING: {original},
        JobState.RUNNING: {original, mine, f"results/{claim.job.id}-{'f' * 16}/photo.jpg"},  # which one is not known
        JobState.DONE: {mine},
        JobState.FAILED: set(),
        JobState.CANCELLED: set(),
    }
    assert set(files(storage)) == left[state]


def test_sweeping_leaves_the_only_result_of_a_job_alone(storage, queue, new_job, fill):
    queue.add(new_job(), None)
    claim = queue.claims.claim("worker")
    fill(claim.job, claim.token, original=False)
    ended(queue, claim, JobState.DONE)
    before = files(storage)
    queue.cleaner.sweep(storage)
    assert files(storage) == before != []


def test_what_no_job_knows_goes_once_it_cannot_be_an_upload_any_more(storage, queue):
    young, old = storage.originals / "young.jpg", storage.originals / "old.jpg"
    for path in (young, old):
        path.write_bytes(b"photo")
    age(young, 500)
    age(old, 700)
    (storage.result_folder("deleted", "a" * 32) / "photo.jpg").write_bytes(b"photo")
    arriving, abandoned = storage.incoming / "arriving", storage.incoming / "abandoned"
    for path in (arriving, abandoned):
        path.write_bytes(b"half a ph")
    age(arriving, 3_000)
    age(abandoned, 4_000)
    queue.cleaner.sweep(storage)
    assert files(storage) == ["incoming/arriving", "originals/young.jpg"]


def test_a_machine_whose_clock_is_ahead_sweeps_no_young_file(storage, queue, monkeypatch):
    (storage.originals / "young.jpg").write_bytes(b"photo")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 10 * AN_HOUR)
    queue.cleaner.sweep(storage)
    assert files(storage) == ["originals/young.jpg"]


def test_a_database_that_is_away_lets_nothing_be_swept(storage, queue, monkeypatch):
    (storage.originals / "old.jpg").write_bytes(b"photo")
    age(storage.originals / "old.jpg", 700)

    def away(_):
        raise ConnectionError

    monkeypatch.setattr(Database, "read", away)
    with pytest.raises(ConnectionError):
        queue.cleaner.sweep(storage)
    assert files(storage) == ["originals/old.jpg"]


def test_housekeeping_requeues_expires_and_sweeps(storage, queue, new_job, fill, later):
    for _ in range(2):
        fill(queue.add(new_job(), None)[0])
    done, lost = queue.claims.claim("worker"), queue.claims.claim("worker")
    fill(done.job, done.token, original=False)
    fill(lost.job, lost.token, original=False)
    ended(queue, done, JobState.DONE)
    later(2 * AN_HOUR)
    with CleaningRunner(queue.cleaner, storage):
        pass
    assert queue.reader.known([done.job.id, lost.job.id]) == {lost.job.id: JobState.WAITING}
    assert files(storage) == [f"originals/{lost.job.original}"]


def test_housekeeping_outlives_a_database_that_is_away(storage, queue, monkeypatch, caplog):
    rounds = iter([ConnectionError, None])
    came_back = threading.Event()

    def requeue():
        if error := next(rounds, None):
            raise error("secret")
        came_back.set()

    monkeypatch.setattr(queue.cleaner, "requeue_lost", requeue)
    with CleaningRunner(queue.cleaner, storage, every=0.01):
        assert came_back.wait(10)
    assert "ConnectionError" in caplog.text
    assert "secret" not in caplog.text


def test_jobs_outside_the_limit_of_one_query_are_swept_too(storage, queue):
    for number in range(1_200):
        path = storage.originals / f"{number}.jpg"
        path.write_bytes(b"")
        age(path, 700)
    queue.cleaner.sweep(storage)
    assert files(storage) == []


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
