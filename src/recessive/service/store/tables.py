"""The tables of the database, the same in SQLite and PostgreSQL. Times are seconds since the epoch.

Each change needs a new file in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

import math
import re
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Dialect, Double, ForeignKey, Index, Integer, MetaData, Table, text
from sqlalchemy import Text as AnyText
from sqlalchemy.types import TypeDecorator

_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def storable(value: Any) -> Any:  # noqa: ANN401
    """A text or a JSON value as the columns store it: see `Text` and `Json`."""
    if isinstance(value, str):
        return _NO_TEXT.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(name): storable(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [storable(entry) for entry in value]
    return value


class Text(TypeDecorator[str]):
    """Text that both databases accept: NUL and lone surrogates, which PostgreSQL rejects, become U+FFFD."""

    impl = AnyText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Convert a value before it is stored, or compared with what is stored."""
        kept: str | None = storable(value)
        return kept


class Json(TypeDecorator[Any]):
    """JSON that both databases accept: texts as in `Text`; numbers that JSON cannot express become null."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ANN401, ARG002
        """Convert a value before it is stored."""
        return storable(value)


_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only in an INTEGER

metadata = MetaData()

identity = Table("identity", metadata, Column("id", Text, primary_key=True))
"""One row: a random id, created with the database."""

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the token
    Column("created", Double, nullable=False),
    Column("revoked", Double),
    Column("per_day", Integer),
    Column("waiting", Integer),
    Index("keys_by_digest", "digest", unique=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # empty if there is none: NULL differs from itself
    Column("name", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("original", Text, nullable=False),
    Column("options", Json, nullable=False),
    Column("deliver_to", Text),
    Column("idempotency", Text),
    Column("state", Text, nullable=False),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created", Double, nullable=False),
    Column("ready", Double, nullable=False),  # not claimed before this time
    Column("started", Double),
    Column("finished", Double),
    Column("expires", Double),
    Column("error", Text),
    Column("report", Json),
    Column("insight", Json),
    Column("result", Text),
    Column("sheet", Text),
    Column("worker", Text),
    Column("token", Text),  # of the claim that runs it, or that ended it
    Column("lease", Double),  # when that claim is lost
    Column("delivery", Text),
    Column("delivery_attempts", Integer, nullable=False, server_default=text("0")),
    Column("delivery_next", Double),
    Column("delivery_error", Text),
    Column("delivered", Double),
    Column("delivery_worker", Text),
    Column("delivery_token", Text),  # likewise
    Column("delivery_lease", Double),
    Index("jobs_by_state", "state", "created", "id"),
    Index("jobs_by_owner", "owner", "created", "id"),
    Index("jobs_by_idempotency", "owner", "idempotency", unique=True),
    Index("jobs_by_expiry", "expires"),
    Index("jobs_by_delivery", "delivery", "delivery_next"),
)

accepted = Table(
    "accepted",
    metadata,
    Column("number", _NUMBER, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("accepted_by_owner", "owner", "at"),
    Index("accepted_by_time", "at"),
)
"""When jobs of keys with a daily quota were accepted: deleting a job does not give its quota back."""

history = Table(
    "history",
    metadata,
    Column("number", _NUMBER, primary_key=True),
    Column("job", Text, ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("worker", Text),
    Index("history_by_job", "job", "number"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seen", Double, nullable=False),
)
