"""Alembic runs this file; see `upgrade` for who asks it to."""

from alembic import context

from recessive.service.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
