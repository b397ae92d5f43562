"""Keys: who may use the service, and how much."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from recessive.errors import SettingsError
from recessive.service.store.database import Database
from recessive.service.store.tables import keys

_PREFIX = "rsv_"  # by which scanners for leaked secrets recognise a token
_USABLE = keys.c.revoked.is_(None)


class NameTaken(SettingsError):  # noqa: N818 (says what the name is)
    """A key with this name is in use."""


@dataclass(frozen=True)
class Key:
    """A key of the service.

    Attributes:
        id: the owner of the jobs that are sent with this key.
        name: the name given by the operator of the service.
        created: when the key was created, in seconds since the epoch.
        revoked: when the key was revoked, in seconds since the epoch; None while it may be used.
        per_day: the number of jobs within 24 hours; None if unlimited.
        waiting: the number of jobs that may wait or run at once; None if unlimited.
    """

    id: str
    name: str
    created: float
    revoked: float | None
    per_day: int | None
    waiting: int | None


class Keys:
    """The keys of the service. The database stores no more than a digest of each token.

    Args:
        database: the database, with its tables up to date.

    Raises:
        DatabaseError: from each call, if the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, *, per_day: int | None = None, waiting: int | None = None) -> tuple[Key, str]:
        """Create a key whose name no other usable key has.

        Returns:
            The key and its token, which cannot be retrieved later.

        Raises:
            SettingsError: if the name is empty or taken (`NameTaken`), or a quota is below 1.
        """
        if not name.strip():
            raise SettingsError("a key needs a name")
        for quota in (per_day, waiting):
            if quota is not None and not 1 <= quota < 2**31:
                raise SettingsError(f"a quota is a whole number from 1 to {2**31 - 1}, not {quota}")
        token = _PREFIX + secrets.token_urlsafe(32)
        with self._database.begin() as connection:
            self._database.lock(connection, "keys")
            if connection.execute(select(keys.c.id).where(keys.c.name == name, _USABLE)).first():
                raise NameTaken(f"a key named {name} already exists; choose another name, or revoke it first")
            new = insert(keys).values(id=uuid.uuid4().hex, name=name, digest=_digest(token), per_day=per_day)
            new = new.values(waiting=waiting, created=self._database.now(connection))
            row = connection.execute(new.returning(keys)).one()
        return _key(row), token

    def find(self, token: str) -> Key | None:
        """The key of a token; None if there is none, or it is revoked.

        Digests are compared in an index of the database: the time that this takes reveals nothing about tokens.
        """
        with self._database.read() as connection:
            row = connection.execute(select(keys).where(keys.c.digest == _digest(token), _USABLE)).first()
        return None if row is None else _key(row)

    def all(self) -> list[Key]:
        """All keys, including revoked ones, oldest first."""
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(select(keys).order_by(keys.c.created, keys.c.id))]

    def any(self) -> bool:
        """Whether any key may be used."""
        with self._database.read() as connection:
            return connection.execute(select(keys.c.id).where(_USABLE).limit(1)).first() is not None

    def revoke(self, name: str) -> Key | None:
        """Revoke the usable key with this name; None if there is none."""
        with self._database.begin() as connection:
            revoked = update(keys).where(keys.c.name == name, _USABLE).values(revoked=self._database.now(connection))
            row = connection.execute(revoked.returning(keys)).first()
        return None if row is None else _key(row)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> Key:
    return Key(row.id, row.name, row.created, row.revoked, row.per_day, row.waiting)
