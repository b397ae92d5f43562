"""The history of the tables: each file in ``versions`` leads from one schema to the next."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


class TooNew(Exception):  # noqa: N818 (says what the tables are)
    """The tables have a version that this code does not know."""


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date in the transaction of `connection`.

    Raises:
        TooNew: if the tables were made by a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    ours = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if not ours.issuperset(MigrationContext.configure(connection).get_current_heads()):
        raise TooNew
    command.upgrade(config, "head")
