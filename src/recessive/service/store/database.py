"""The database of the service: SQLite or PostgreSQL, its transactions, and its tables up to date."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Self
from weakref import WeakValueDictionary

from sqlalchemy import URL, Connection, Double, cast, extract, func, make_url, select
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from recessive.service.store.engines import postgresql_engine, sqlite_engine
from recessive.service.store.migrations import TooNew, upgrade
from recessive.service.store.tables import identity
from recessive.service.store.turns import Turns

_FORMS = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
_POSTGRESQL = {"postgresql", "postgres", "postgresql+psycopg"}
_writers: WeakValueDictionary[Path, Turns] = WeakValueDictionary()  # by SQLite file


class DatabaseError(Exception):
    """One line: what is wrong with the database, and what to do. It never holds the password."""


class Database:
    """The database behind a URL. Threads may share it; each process opens its own.

    Args:
        url: sqlite:///PATH, where all that follows the third slash is the path, or
            postgresql://USER:PASSWORD@HOST/NAME.

    Attributes:
        engine: SQLAlchemy's.

    Raises:
        DatabaseError: the URL is none of the two. A database that cannot be reached is found out by its first use.
    """

    def __init__(self, url: str) -> None:
        self._url = _understood(url)
        self._turns: Turns | nullcontext[None]
        if self._url.get_backend_name() == "sqlite":
            path = Path(self._url.database or "").resolve()
            self._name = str(path)
            self._turns = _writers.setdefault(path, Turns(path.with_name(f"{path.name}-turn")))
            self.engine = sqlite_engine(path)
        else:
            self._name = f"{self._url.database or 'of the user'} on {self._url.host or 'this machine'}"
            self._turns = nullcontext()
            try:
                self.engine = postgresql_engine(self._url)
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
        """A transaction that may write: all of it happens, or, after an exception, nothing.

        In SQLite there is one at a time. Those of one process come in the order in which they were begun; a thread must
        not begin another inside.

        Raises:
            DatabaseError: the database cannot be used; also from what is done inside.
        """
        with self._turns, self._explained(), self._writing.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            DatabaseError: as for `begin`.
        """
        with self._explained(), self.engine.connect() as connection:
            yield connection

    def now(self, connection: Connection) -> float:
        """Seconds since the epoch, by PostgreSQL's clock, so that machines agree; by this machine's for SQLite."""
        if connection.dialect.name == "sqlite":
            return time.time()
        clock = select(cast(extract("epoch", func.clock_timestamp()), Double))
        return float(connection.execute(clock).scalar_one())

    def lock(self, connection: Connection, name: str) -> None:
        """Let in one transaction at a time, until its end, among those that lock `name`."""
        if connection.dialect.name != "sqlite":  # which has one writer anyway
            number = int.from_bytes(hashlib.sha256(f"recessive {name}".encode()).digest()[:8], signed=True)
            connection.execute(select(func.pg_advisory_xact_lock(number)))

    def identity(self) -> str:
        """A random id, made with the tables: what belongs to this database can be marked with it."""
        with self.read() as connection:
            return str(connection.execute(select(identity.c.id)).scalar_one())

    def migrate(self) -> None:
        """Make the tables, or bring them up to date. Several processes may do so at once.

        Raises:
            DatabaseError: the tables were made by a newer version.
        """
        with self.begin() as connection:
            self.lock(connection, "migrate")
            try:
                upgrade(connection)
            except TooNew:
                raise DatabaseError(
                    f"the database {self._name} was made by a newer version of recessive; update this one"
                ) from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, DataError):
            raise  # ours, not the database's
        except NoConnectionFree as error:
            raise DatabaseError(f"the database {self._name} is busy: no connection came free; try again") from error
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            for secret in (self._url.password, self._url.query.get("password")):
                reason = reason.replace(str(secret), "***") if secret else reason
            raise DatabaseError(f"the database {self._name} cannot be used: {reason}") from error


def _understood(url: str) -> URL:
    """The URL's parts.

    Raises:
        DatabaseError: without a part of the URL, which may be the password.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        path = rest.removeprefix("/")
        if path == rest or path in ("", ":memory:") or path.startswith("file:"):
            raise DatabaseError("the jobs must survive, and processes share them: give SQLite a path, sqlite:///PATH")
        return URL.create("sqlite", database=path)  # as it is, question marks too
    if scheme not in _POSTGRESQL:
        raise DatabaseError(f"the database's URL is to be {_FORMS}")
    try:
        return make_url(f"postgresql://{rest}")
    except (ArgumentError, ValueError):
        raise DatabaseError(f"the database's URL cannot be read; it is to be {_FORMS}, signs in it as %40") from None
