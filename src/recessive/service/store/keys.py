"""The keys of the service."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from recessive.service.store.database import Database
from recessive.service.store.tables import keys

_PREFIX = "rsv_"  # so that scanners for leaked secrets can know it


class NameTaken(ValueError):  # noqa: N818 (says what the name is)
    """A key of that name is in use."""


@dataclass(frozen=True)
class Key:
    """Who may use the service, and how much.

    Attributes:
        id: what the key's jobs are marked with.
        name: given by whoever runs the service.
        created: in seconds since the epoch.
        revoked: when it was, likewise; None while it may be used.
        per_day: jobs within 24 hours; None for any number.
        waiting: jobs that wait or run at once; None for any number.
    """

    id: str
    name: str
    created: float
    revoked: float | None
    per_day: int | None
    waiting: int | None


class Keys:
    """The keys, of which the database holds no more than a digest.

    Raises:
        DatabaseError: from each call, when the database cannot be used.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, *, per_day: int | None = None, waiting: int | None = None) -> tuple[Key, str]:
        """Make a key.

        Args:
            name: no other usable key has it.
            per_day: see `Key`; at least 1.
            waiting: likewise.

        Returns:
            The key, and its token, which cannot be had again.

        Raises:
            NameTaken: says what to do.
            ValueError: an empty name, or a quota under which nothing is allowed.
        """
        if not name.strip():
            raise ValueError("a key needs a name")
        for quota in (per_day, waiting):
            if quota is not None and not 1 <= quota < 2**31:
                raise ValueError(f"a quota is a whole number from 1 to {2**31 - 1}, or none at all, not {quota}")
        token = _PREFIX + secrets.token_urlsafe(32)
        with self._database.begin() as connection:
            self._database.lock(connection, "keys")
            if connection.execute(select(keys.c.id).where(keys.c.name == name, keys.c.revoked.is_(None))).first():
                raise NameTaken(f"a key is called {name} already; choose another name, or revoke it first")
            values = {
                "id": uuid.uuid4().hex,
                "name": name,
                "digest": _digest(token),
                "created": self._database.now(connection),
                "per_day": per_day,
                "waiting": waiting,
            }
            row = connection.execute(insert(keys).values(values).returning(keys)).one()
        return _key(row), token

    def find(self, token: str) -> Key | None:
        """The key of a token, unless it is revoked.

        What is compared is a digest, in the database's index: the time it takes says nothing about the tokens.
        """
        with self._database.read() as connection:
            found = select(keys).where(keys.c.digest == _digest(token), keys.c.revoked.is_(None))
            row = connection.execute(found).first()
        return None if row is None else _key(row)

    def all(self) -> list[Key]:
        """All keys, the revoked ones too, oldest first."""
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(select(keys).order_by(keys.c.created, keys.c.id))]

    def any(self) -> bool:
        """Whether there is a key that may be used."""
        with self._database.read() as connection:
            return connection.execute(select(keys.c.id).where(keys.c.revoked.is_(None)).limit(1)).first() is not None

    def revoke(self, name: str) -> Key | None:
        """End the use of the key of that name; None when no usable one has it."""
        with self._database.begin() as connection:
            ended = (
                update(keys)
                .where(keys.c.name == name, keys.c.revoked.is_(None))
                .values(revoked=self._database.now(connection))
                .returning(keys)
            )
            row = connection.execute(ended).first()
        return None if row is None else _key(row)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> Key:
    return Key(row.id, row.name, row.created, row.revoked, row.per_day, row.waiting)
