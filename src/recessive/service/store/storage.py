"""The folder that all machines of the service share: originals until they are protected, results until they expire."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from recessive.errors import MachineError
from recessive.files import write_whole
from recessive.service.store.database import Database
from recessive.service.store.job import Claim, Job
from recessive.service.store.reading import JobReader

_MARK = "service-id"


class StorageError(MachineError):
    """The folder of the service cannot be used."""


class Storage:
    """The folder of the service.

    An original is named `<job id><suffix>`. Each claim of a job writes to a folder of its own, `<job id>-<start of its
    token>`, which the job's row names once all files are there: what a killed worker left belongs to no job.

    Args:
        folder: the folder of the service.

    Attributes:
        folder: the absolute path of the folder.
        originals: complete uploads, until their job is done.
        results: protected photos and contact sheets, in a folder for each claim.
        incoming: uploads that are being received.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.originals = self.folder / "originals"
        self.results = self.folder / "results"
        self.incoming = self.folder / "incoming"

    def open(self) -> None:
        """Create missing folders, accessible to this user alone.

        Raises:
            StorageError: if they cannot be created, or nothing can be written there.
        """
        folder = self.folder
        try:
            for folder in (self.folder, self.originals, self.results, self.incoming):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=folder) as trial:
                    trial.write(b"x")
        except OSError as error:
            raise StorageError(
                f"cannot be written to ({error.strerror}); choose another --folder, or give this user write access",
                folder,
            ) from error

    def check_same(self, database: Database, *, new: bool = True) -> None:
        """Check that folder and database belong together: the folder is marked with the identity of the database.

        Args:
            database: the database of the service.
            new: mark a folder without photos for a database without jobs, as at the first start of a server. A worker
                must find the mark: an empty folder is one that is not mounted.

        Raises:
            StorageError: if they do not belong together.
            DatabaseError: if the database cannot be used.
        """
        mark, identity = self.folder / _MARK, database.identity()
        try:
            if new and not mark.exists() and not listed(self.originals) + listed(self.results):
                if any(JobReader(database).counts().values()):
                    raise self._other("contains none of the photos of the jobs in this database")
                with suppress(FileExistsError):  # another server was faster
                    write_whole(mark, f"{identity}\n".encode("ascii"), overwrite=False)
            marked = mark.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            marked = ""
        except OSError as error:
            raise StorageError(f"cannot be read and written ({error.strerror}); check its permissions", mark) from error
        if marked != identity:
            raise self._other("is not the folder of this database's service")

    def _other(self, why: str) -> StorageError:
        return StorageError(
            f"{why}; mount the service's folder and name it with --folder, or name the folder's own database",
            self.folder,
        )

    def original(self, job: Job) -> Path:
        """The path of the upload."""
        return self.originals / job.original

    def result_folder(self, job_id: str, token: str) -> Path:
        """Create the folder of a claim, empty; no other claim writes to it.

        Raises:
            StorageError: if it cannot be created.
        """
        self.discard(job_id, token)
        folder = self._of_claim(job_id, token)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise StorageError(f"cannot be written to ({error.strerror})", self.results) from error
        return folder

    def discard(self, job_id: str, token: str) -> None:
        """Remove the folder of a claim, if it exists."""
        shutil.rmtree(self._of_claim(job_id, token), ignore_errors=True)

    def is_result_of(self, claim: Claim, job: Job) -> bool:
        """Whether the result of the job was made under this claim."""
        return job.result is not None and (self.results / job.result).parent == self._of_claim(job.id, claim.token)

    def _of_claim(self, job_id: str, token: str) -> Path:
        return self.results / f"{job_id}-{token[:16]}"

    def remove(self, job: Job) -> None:
        """Remove all files of a job. Files that cannot be removed are left to the next sweep."""
        self.remove_original(job)
        for folder in listed(self.results):
            if job_of_result(folder) == job.id:
                remove_path(folder)

    def remove_original(self, job: Job) -> None:
        """Remove the upload of a job, or leave it to the next sweep."""
        remove_path(self.original(job))


def listed(folder: Path) -> list[Path]:
    """What a folder contains; nothing if it does not exist."""
    with suppress(FileNotFoundError):
        return list(folder.iterdir())
    return []


def job_of_original(path: Path) -> str:
    """The id of the job that an original belongs to."""
    return path.name.partition(".")[0]


def job_of_result(folder: Path) -> str:
    """The id of the job that the folder of a claim belongs to."""
    return folder.name.rpartition("-")[0]


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if that is possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
