"""Executed by Alembic; see `upgrade`."""

from alembic import context

from recessive.service.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
