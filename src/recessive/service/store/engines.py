"""How SQLite and PostgreSQL are opened, so that they keep what they have said they keep."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

_PATIENCE = 30.0  # s that a writer waits for the writers of other processes
_CONNECTIONS = 15  # of a process with PostgreSQL, opened when needed
_POSTGRESQL = {  # s, but for the last, in ms: a machine that went away is noticed
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def sqlite_engine(path: Path) -> Engine:
    """A SQLite file that several processes share: readers see a snapshot, writers say so at once (``begin`` option).

    What is committed has reached the disk, and what is deleted is overwritten.
    """
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": _PATIENCE},
        max_overflow=-1,  # a connection costs little, and threads that wait for their turn hold none
        hide_parameters=True,
    )
    event.listen(engine, "do_connect", lambda *_: _create(path))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def postgresql_engine(url: URL) -> Engine:
    """A PostgreSQL whose connections are tried before each use, so that its restart is survived.

    Raises:
        ModuleNotFoundError: psycopg is not installed.
    """
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in _POSTGRESQL.items() if name not in url.query},
        isolation_level="READ COMMITTED",  # whatever the server's own: what waits for a row must see it as it is then
        pool_pre_ping=True,
        pool_size=_CONNECTIONS,  # all of which stay: one more costs milliseconds
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
    )


def _create(path: Path) -> None:
    """The folder and the file, for their owner's eyes only: SQLite gives its other files the same permissions.

    A file that is there is not opened: closing it would let go of the locks that SQLite has on it in this process.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise sqlite3.OperationalError(error.strerror) from error


def _prepare(connection: sqlite3.Connection, _: Any) -> None:  # noqa: ANN401
    connection.isolation_level = None  # transactions begin where we say so
    _write_ahead(connection)
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the write-ahead log on. SQLite does not wait for others here, so that must be done by hand."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
