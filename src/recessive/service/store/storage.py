"""The folder that all machines of the service share: originals until they are protected, results until they expire."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from recessive.files import write_whole
from recessive.service.store.database import Database
from recessive.service.store.jobs import Claim, Job, Jobs, JobState

YOUNG_ORIGINAL = 600.0  # seconds that an original may lie here before its job is added
YOUNG_UPLOAD = 3_600.0  # seconds that an upload may make no headway
_WAITS = {JobState.WAITING, JobState.RUNNING}
_MARK = "service-id"


class StorageError(Exception):
    """The folder cannot be used; the message is one line and says what to do."""


class Storage:
    """The service's folder.

    An original is called `<job id><suffix>`. Each claim of a job writes into a folder of its own, `<job id>-<start of
    its token>`, which the job's row names once all is there: what a killed worker left belongs to nobody.

    Args:
        folder: of the service.

    Attributes:
        folder: absolute.
        originals: uploads that are whole, until their job is done.
        results: protected photos and contact sheets, a folder a claim.
        incoming: uploads that are being received.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.originals = self.folder / "originals"
        self.results = self.folder / "results"
        self.incoming = self.folder / "incoming"

    def open(self) -> None:
        """Make what is missing, for this user alone.

        Raises:
            StorageError: that is impossible, or nothing can be written there.
        """
        folder = self.folder
        try:
            for folder in (self.folder, self.originals, self.results, self.incoming):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _try(folder)
        except OSError as error:
            why = f"{folder} cannot be written to ({error.strerror})"
            raise StorageError(f"{why}; name another --folder, or give this user the right to write there") from error

    def check_same(self, database: Database, *, new: bool = True) -> None:
        """See that folder and database belong together: the folder holds the database's identity.

        Args:
            database: of the service.
            new: a folder without photos may become that of a database without jobs, as at the first start of a server.
                A worker must find it marked: an empty folder is one that nobody has mounted.

        Raises:
            StorageError: they do not belong together; says what to do.
            DatabaseError: the database cannot be used.
        """
        mark, identity = self.folder / _MARK, database.identity()
        if new and not mark.exists() and not any(self._listed(self.originals) + self._listed(self.results)):
            if any(Jobs(database).counts().values()):
                raise StorageError(self._other("holds none of the photos of this database's jobs"))
            with suppress(FileExistsError):  # another server was faster
                self._write_mark(mark, identity)
        try:
            marked = mark.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            marked = ""
        except OSError as error:
            raise StorageError(f"{mark} cannot be read ({error.strerror}); see to its permissions") from error
        if marked != identity:
            raise StorageError(self._other("is not the folder of this database's service"))

    def _write_mark(self, mark: Path, identity: str) -> None:
        try:
            write_whole(mark, f"{identity}\n".encode("ascii"), overwrite=False)
        except FileExistsError:
            raise
        except OSError as error:
            raise StorageError(f"{mark} cannot be written ({error.strerror}); see to its permissions") from error

    def _other(self, why: str) -> str:
        return f"{self.folder} {why}; mount the service's folder and name it with --folder, or name its own database"

    def original(self, job: Job) -> Path:
        """Where the upload lies."""
        return self.originals / job.original

    def result_folder(self, job_id: str, token: str) -> Path:
        """The folder of one claim, made and empty; no other writes to it.

        Raises:
            StorageError: it cannot be made.
        """
        self.discard(job_id, token)
        folder = self._of_claim(job_id, token)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise StorageError(f"{self.results} cannot be written to ({error.strerror})") from error
        return folder

    def discard(self, job_id: str, token: str) -> None:
        """Remove the folder of a claim, if it is there."""
        shutil.rmtree(self._of_claim(job_id, token), ignore_errors=True)

    def is_result_of(self, claim: Claim, job: Job) -> bool:
        """Whether what was made under a claim is the job's result."""
        return job.result is not None and (self.results / job.result).parent == self._of_claim(job.id, claim.token)

    def _of_claim(self, job_id: str, token: str) -> Path:
        return self.results / f"{job_id}-{token[:16]}"

    def remove(self, job: Job) -> None:
        """Remove all files of a job; what is not there is fine, and what cannot be removed is left to `sweep`."""
        self.remove_original(job)
        for folder in self._listed(self.results):
            if _job_of_result(folder) == job.id:
                _remove(folder)

    def remove_original(self, job: Job) -> None:
        """Remove a job's upload, with the same mercy."""
        with suppress(OSError):
            self.original(job).unlink()

    def sweep(self, jobs: Jobs) -> None:
        """Remove what no job needs: what was left by whoever died between a change of a row and that of its files.

        Raises:
            DatabaseError: the database cannot be used; nothing more is removed.
        """
        # The clock of the file system: that of another machine may be wrong, and a young file is not to look old.
        os.utime(self.incoming)
        now = self.incoming.stat().st_mtime
        for upload in self._listed(self.incoming):
            if now - _changed(upload, now) > YOUNG_UPLOAD:
                _remove(upload)
        # Files are listed before their jobs are asked for: what is newer than the answer is not judged by it.
        originals, results = self._listed(self.originals), self._listed(self.results)
        states = jobs.known({_job_of_original(path) for path in originals})
        for path in originals:
            state = states.get(_job_of_original(path))
            if state in _WAITS or (state is None and now - _changed(path, now) <= YOUNG_ORIGINAL):
                continue
            _remove(path)
        self._sweep_results(jobs, results)

    def _sweep_results(self, jobs: Jobs, folders: list[Path]) -> None:
        of_job: dict[str, list[Path]] = {}
        for folder in folders:
            of_job.setdefault(_job_of_result(folder), []).append(folder)
        states = jobs.known(of_job.keys())
        for job_id, mine in of_job.items():
            state = states.get(job_id)
            if state == JobState.RUNNING or (state == JobState.DONE and len(mine) == 1):
                continue  # one of them is being written to, or is what the row names
            done = jobs.watch([job_id]) if state == JobState.DONE else []
            needed = {Path(job.result or "").parent.name for job in done}
            for folder in mine:
                if folder.name not in needed:
                    _remove(folder)

    def _listed(self, folder: Path) -> list[Path]:
        with suppress(FileNotFoundError):
            return list(folder.iterdir())
        return []


def _try(folder: Path) -> None:
    """Write a file and remove it.

    Raises:
        OSError: that failed.
    """
    path = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        path.write_bytes(b"x")
    finally:
        path.unlink(missing_ok=True)


def _job_of_original(path: Path) -> str:
    return path.name.partition(".")[0]


def _job_of_result(folder: Path) -> str:
    return folder.name.rpartition("-")[0]


def _changed(path: Path, gone: float) -> float:
    """When a file was last written to; `gone` for one that is not there any more."""
    try:
        return path.stat().st_mtime
    except OSError:
        return gone


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
