"""The database of the service: SQLite or PostgreSQL, opened so that committed transactions survive a crash."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self
from weakref import WeakValueDictionary

from sqlalchemy import URL, Connection, Double, Engine, cast, create_engine, event, extract, func, make_url, select
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from recessive.errors import MachineError
from recessive.files import lock_file
from recessive.service.store.migrations import TooNew, upgrade
from recessive.service.store.tables import identity

_FORMS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
_SCHEMES = {"postgresql", "postgres", "postgresql+psycopg"}
_WAIT = 30.0  # seconds that a writer to SQLite waits for the writers of other processes
_CONNECTIONS = 15  # of a process to PostgreSQL, opened when needed
_POSTGRESQL = {  # seconds, except for the last, which is in ms: a machine that went away is noticed
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class DatabaseError(MachineError):
    """The database cannot be used. The message never contains the password."""


class Database:
    """The database behind a URL. Threads may share it; each process opens its own.

    Args:
        url: sqlite:///PATH, where everything after the third slash is the path, or
            postgresql://USER:PASSWORD@HOST/NAME.

    Attributes:
        engine: the SQLAlchemy engine.

    Raises:
        DatabaseError: if the URL has neither form. Whether the database can be reached turns out at its first use.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._write_lock: FairLock | nullcontext[None]
        if self._url.get_backend_name() == "sqlite":
            path = Path(self._url.database or "").resolve()
            self._name = str(path)
            self._write_lock = _write_locks.setdefault(path, FairLock(path.with_name(f"{path.name}-turn")))
            self.engine = _sqlite_engine(path)
        else:
            self._name = f"{self._url.database or 'of the user'} on {self._url.host or 'this machine'}"
            self._write_lock = nullcontext()
            try:
                self.engine = _postgresql_engine(self._url)
            except ModuleNotFoundError:
                raise DatabaseError("PostgreSQL needs psycopg; pip install 'recessive[serve]'") from None
        self._writing = self.engine.execution_options(begin="BEGIN IMMEDIATE")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that may write. It is committed at the end of the block, or rolled back after an exception.

        In SQLite there is one at a time. Those of one process run in the order in which they were begun; a thread must
        not begin another one inside.

        Raises:
            DatabaseError: if the database cannot be used, also for statements inside the block.
        """
        with self._write_lock, self._explained(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; errors as for `begin`."""
        with self._explained(), self.engine.connect() as connection:
            yield connection

    def now(self, connection: Connection) -> float:
        """Seconds since the epoch, by PostgreSQL's clock, so that machines agree, or this machine's for SQLite."""
        if connection.dialect.name == "sqlite":
            return time.time()
        clock = select(cast(extract("epoch", func.clock_timestamp()), Double))
        return float(connection.execute(clock).scalar_one())

    def lock(self, connection: Connection, name: str) -> None:
        """Exclude other transactions that lock the same name, until this one ends."""
        if connection.dialect.name != "sqlite":  # which has one writer anyway
            number = int.from_bytes(hashlib.sha256(f"recessive {name}".encode()).digest()[:8], signed=True)
            connection.execute(select(func.pg_advisory_xact_lock(number)))

    def identity(self) -> str:
        """A random id, created with the tables, by which the folder of this database is marked."""
        with self.read() as connection:
            return str(connection.execute(select(identity.c.id)).scalar_one())

    def migrate(self) -> None:
        """Create the tables or bring them up to date. Several processes may do so at once.

        Raises:
            DatabaseError: if the tables were made by a newer version.
        """
        with self.begin() as connection:
            self.lock(connection, "migrate")
            try:
                upgrade(connection)
            except TooNew:
                newer = "was made by a newer version of recessive; update this one"
                raise DatabaseError(f"the database {self._name} {newer}") from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError):
            raise  # a mistake of the code, not a fault of the database
        except NoConnectionFree as error:
            raise DatabaseError(f"the database {self._name} is busy: no connection became free; try again") from error
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            for secret in (self._url.password, self._url.query.get("password")):
                reason = reason.replace(str(secret), "***") if secret else reason
            raise DatabaseError(f"the database {self._name} cannot be used: {reason}") from error


def _parsed(url: str) -> URL:
    """The parts of a URL. Errors contain none of them: each may be the password."""
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if path == rest or path in ("", ":memory:") or path.startswith("file:"):
            raise DatabaseError("SQLite needs the path of a file, since processes share the jobs: sqlite:///PATH")
        return URL.create("sqlite", database=path)  # as it is, question marks too
    if scheme not in _SCHEMES:
        raise DatabaseError(f"the URL of the database must have the form {_FORMS}")
    try:
        return make_url(f"postgresql://{rest}")
    except (ArgumentError, ValueError):
        raise DatabaseError(
            f"the URL of the database cannot be parsed; use the form {_FORMS} and write special characters as %40"
        ) from None


def _sqlite_engine(path: Path) -> Engine:
    """A SQLite file that several processes share.

    Readers see a snapshot, writers lock the file at once (the option ``begin``). What is committed has reached the
    disk, and what is deleted is overwritten.
    """
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": _WAIT},
        max_overflow=-1,  # a connection costs little, and threads that wait for the lock hold none
        hide_parameters=True,
    )
    event.listen(engine, "do_connect", lambda *_: _create_file(path))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql(c.get_execution_options().get("begin", "BEGIN")))
    return engine


def _create_file(path: Path) -> None:
    """Create the folder and the file, readable by their owner alone; SQLite gives its other files the same permissions.

    An existing file is not opened: closing it would release the locks that SQLite holds on it in this process.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise sqlite3.OperationalError(error.strerror) from error


def _prepare(connection: sqlite3.Connection, _: Any) -> None:  # noqa: ANN401
    connection.isolation_level = None  # transactions begin where SQLAlchemy does
    until = time.monotonic() + _WAIT
    while True:  # SQLite itself does not wait for others before it turns the write-ahead log on
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _postgresql_engine(url: URL) -> Engine:
    """A PostgreSQL database whose connections are tested before each use, so that a restart is survived."""
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in _POSTGRESQL.items() if name not in url.query},
        isolation_level="READ COMMITTED",  # a statement that waited for a row sees its new state
        pool_pre_ping=True,
        pool_size=_CONNECTIONS,  # all of which stay: one more costs milliseconds
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
    )


class FairLock:
    """A lock that threads acquire in the order in which they asked for it, and processes roughly so; used by ``with``.

    SQLite has a lock of its own, but a writer that does not get it sleeps and tries again, and may starve for seconds
    while others write all the time. Where files cannot be locked, only the threads of one process are ordered.

    Args:
        path: the path of an empty file, which is created if missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._inside = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def __enter__(self) -> Self:
        self._wait()
        try:
            self._file = _locked(self._path)
        except BaseException:  # Ctrl-C while waiting
            self._pass_on()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)  # which unlocks it
        self._pass_on()

    def _wait(self) -> None:
        """Wait for other threads."""
        with self._inside:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:  # Ctrl-C while waiting
            with self._inside:
                given = turn not in self._waiting
                if not given:
                    self._waiting.remove(turn)
            if given:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        with self._inside:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


_write_locks: WeakValueDictionary[Path, FairLock] = WeakValueDictionary()  # by SQLite file


def _locked(path: Path) -> int | None:
    """The file, open and locked; None if it cannot be opened."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # SQLite will say what is wrong with the folder
        return None
    try:
        lock_file(file, wait=True)
    except BaseException:
        os.close(file)
        raise
    return file
